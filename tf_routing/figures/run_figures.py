"""Figures of finished runs, from their records and logs: error over cost, and where images leave."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tf_routing.analysis import (
    Curve,
    ExitUse,
    Panel,
    draw_error_curves,
    draw_exit_diagram,
    draw_exits_over_training,
)
from tf_routing.analysis.exit_use import SLICES
from tf_routing.runs.finished_runs import (
    FinishedRun,
    finished_runs,
    folder_labels,
    label_runs,
    logged_shares,
    mean_executed_macs,
    readable,
    trained_tree,
)
from tf_routing.runs.run_record import is_adapted
from tf_routing.support.validation import first_few, one_of


def error_curves(output: Path, folders: Sequence[str] = (), panel: Sequence[Sequence[str]] = ()) -> None:
    """Draws the errors of runs over what they executed, one curve per folder.

    Args:
        output: Picture to write.
        folders: Folders of runs, or of folders of runs, for the first panel.
        panel: Folders of each further panel.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If no run has finished.
    """
    groups = [group for group in (folders, *panel) if group]
    distinct = list(dict.fromkeys(folder for group in groups for folder in group))
    runs = load_finished(distinct)
    labels = folder_labels(distinct)
    panels = [
        Panel("", [curve for folder in group for curve in _curves(labels[folder], runs[folder])]) for group in groups
    ]
    title = _title("Error and executed cost", runs)
    draw_error_curves([panel for panel in panels if panel.curves], output, title)


def load_finished(folders: Sequence[str]) -> dict[str, list[FinishedRun]]:
    """Returns the finished runs of folders, or raises a `ValueError` if there is none.

    Raises:
        FileNotFoundError: If a folder holds no run.
    """
    runs = {folder: finished_runs(folder) for folder in folders}
    if not any(runs.values()):
        raise ValueError(f"No run in {', '.join(folders)} has finished, so there is nothing to draw.")
    adapted = [str(run.folder) for found in runs.values() for run in found if is_adapted(run.record)]
    if adapted:
        raise ValueError(
            f"`folders` must hold runs of `tf-routing fit`. Those of `adapt` read no labels, so that there is no "
            f"accuracy to draw; `tf-routing evaluate` measures it where labels are. Received: {first_few(adapted)}"
        )
    return runs


def _title(title: str, runs: dict[str, list[FinishedRun]]) -> str:
    names = dict.fromkeys(run.record["arguments"]["dataset"] for finished in runs.values() for run in finished)
    return f"{title}, {', '.join(names)}"


def _curves(label: str, runs: Sequence[FinishedRun]) -> list[Curve]:
    """Returns one curve of all runs trained at one cost, and one for each run conditioned on the cost."""
    conditioned = [run for run in runs if "by_cost" in run.record["final"]]
    points = [run_point(run.record["final"]) for run in runs if run not in conditioned]
    curves = [Curve(label, points)] if points else []
    for run in conditioned:
        name = label if len(runs) == 1 else f"{label}, {readable(run.folder.name)}"
        curves.append(Curve(name, [run_point(results) for results in run.record["final"]["by_cost"]]))
    return curves


def run_point(results: dict[str, Any]) -> tuple[float, float]:
    """Returns mean multiply-accumulates and error: those of early-exit statistics, else from accuracy and cost."""
    error = results["error"] if "error" in results else 1 - results["accuracy"]
    return mean_executed_macs(results), error


def exits(output: Path, folders: Sequence[str], by: str = "correctness") -> None:
    """Draws how many images leave at each exit.

    Args:
        output: Picture to write.
        folders: Folders of runs, or of folders of runs.
        by: `"correctness"` or `"class"`, what circles show.

    Raises:
        FileNotFoundError: If a folder holds no run, or a run no network.
        ValueError: If `by` is not known, no run has finished, none leaves early, or classes differ.
    """
    one_of("by", by, SLICES)
    runs = load_finished(folders)
    uses: list[ExitUse] = []
    names: set[tuple[str, ...]] = set()
    for label, run in label_runs(runs):
        if run_uses := list(_uses(label, run)):
            uses += run_uses
            names.add(tuple(run.record["class_names"]))
    if not uses:
        raise ValueError(f"No run in {', '.join(folders)} is of a network that leaves early.")
    if len(names) > 1:
        raise ValueError(f"`folders` must hold runs of the same classes. Received: {' and '.join(map(str, names))}")
    draw_exit_diagram(uses, output, by, names.pop(), _title("Where test images leave", runs))


def _uses(label: str, run: FinishedRun) -> Iterator[ExitUse]:
    results = run.record["final"]
    if "by_cost" in results:
        tree = trained_tree(run)
        for row in results["by_cost"]:
            yield ExitUse(f"{label}, at cost {row['computation_cost']:g}", tree, row["exits"])
    elif "exits" in results:
        yield ExitUse(label, trained_tree(run), results["exits"])
    else:
        print(f"Skipping {run.folder}: its images all leave at the end.")


def exits_over_training(output: Path, folders: Sequence[str]) -> None:
    """Draws the share of images that left at each exit, by epoch.

    Args:
        output: Picture to write.
        folders: Folders of runs, or of folders of runs.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If no run has finished, or none leaves early.
    """
    runs = load_finished(folders)
    shares = {label: logged_shares(run) for label, run in label_runs(runs)}
    shares = {label: by_exit for label, by_exit in shares.items() if by_exit}
    if not shares:
        raise ValueError(f"No run in {', '.join(folders)} is of a network that leaves early.")
    draw_exits_over_training(shares, output, _title("Where test images leave, over training", runs))
