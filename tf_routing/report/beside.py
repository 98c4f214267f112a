"""Other finished runs that stand beside one in accuracy and cost, read from their records."""

from collections.abc import Sequence

from tf_routing.report.cost_section import Point
from tf_routing.report.run_folder import RunFolder
from tf_routing.runs.finished_runs import finished_runs, label_runs, mean_executed_macs
from tf_routing.runs.run_record import run_dataset


def read_beside(folders: Sequence[str], run: RunFolder) -> list[Point]:
    """Returns the operating points of other runs; the run itself, where it is among them, is left out.

    Args:
        folders: Folders of runs, or of folders of runs.
        run: The run that they stand beside.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If one was measured on another dataset, or a record cannot be read.
    """
    points = []
    for label, other in label_runs({folder: finished_runs(folder) for folder in folders}):
        if other.folder.resolve() == run.path.resolve():
            continue
        wanted, found = run_dataset(run.record), run_dataset(other.record)
        if wanted != found:
            raise ValueError(f"`beside` must hold runs on {wanted!r}. Received: {other.folder}, a run on {found!r}")
        if "accuracy" in other.record["final"]:
            points.append(Point(label, mean_executed_macs(other.record["final"]), other.record["final"]["accuracy"]))
    return points
