"""The figure of compared methods: errors over executed cost as papers print them, beside those of runs."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tf_routing.analysis import CostPoint, Method, draw_error_by_cost, reported_methods
from tf_routing.figures.run_figures import load_finished, run_point
from tf_routing.runs.finished_runs import folder_labels, readable
from tf_routing.zoo.comparisons import COMPARISONS

_COLUMNS = ("method", "label", "macs", "error")


def compared_methods(
    output: Path, comparison: str | None = None, folders: Sequence[str] = (), points: str | None = None
) -> None:
    """Draws errors over executed cost: of a paper's comparison, of runs, and of a file of further points.

    Args:
        output: Picture to write.
        comparison: Name of a comparison, see `analysis.reported_methods`.
        folders: Folders of runs, or of folders of runs, on the same dataset.
        points: A `.csv` file with the columns `method`, `label`, `macs` (executed per image) and `error` (per cent),
            such as points that you read in another paper.

    Raises:
        FileNotFoundError: If a folder holds no run, or there is no such file.
        ValueError: If the comparison is not known, no run has finished, or the file has other columns.
    """
    methods = [] if comparison is None else reported_methods(comparison)
    if points is not None:
        methods += read_points(points)
    runs = load_finished(folders) if folders else {}
    labels = folder_labels(list(runs))
    for folder, found in runs.items():
        own = [(run.folder.name, *run_point(run.record["final"])) for run in found]
        # A run by itself is labelled by the legend.
        measured = [CostPoint(readable(name) if len(own) > 1 else "", macs, 100 * error) for name, macs, error in own]
        methods.append(Method(f"{labels[folder]}, trained here", measured, measured=True))
    name = "" if comparison is None else f", {COMPARISONS[comparison].title}"
    draw_error_by_cost([method for method in methods if method.points], output, f"Error and executed cost{name}")


def read_points(path: str) -> list[Method]:
    """Returns the methods in a `.csv` file of the columns `method`, `label`, `macs` and `error`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is missing, or a number is none.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no {path}: `points` must be a .csv file with the columns {_COLUMNS}.")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    methods: dict[str, list[CostPoint]] = {}
    for number, row in enumerate(rows, 2):
        missing = [column for column in _COLUMNS if row.get(column) is None]
        if missing:
            raise ValueError(f"{path} must have the columns {', '.join(_COLUMNS)}. Line {number} lacks: {missing}")
        try:
            point = CostPoint(row["label"], float(row["macs"]), float(row["error"]))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: `macs` and `error` must be numbers. Received: {row}") from error
        methods.setdefault(row["method"], []).append(point)
    return [Method(label, found) for label, found in methods.items()]
