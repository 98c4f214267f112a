"""The file of a trained network in a run's folder, and those of what was measured of it."""

from pathlib import Path
from typing import Any

from tf_routing.support.files import explain_write_errors, whole_file

# What `tf-routing evaluate` and `calibrate` leave there.
EVALUATION, BUDGETS = "evaluation.json", "budgets.json"


def write_trained(model: Any, folder: Path) -> None:
    """Writes a trained network to a run's folder, and removes what was measured of another one that was there.

    Args:
        model: The network.
        folder: The folder.
    """
    file = folder / "model.keras"
    with explain_write_errors(file), whole_file(file) as temporary:
        model.save(temporary)
    for name in (EVALUATION, BUDGETS):
        (folder / name).unlink(missing_ok=True)


def trained_file(path: str) -> Path:
    """Returns the file of a trained network.

    Args:
        path: Folder of a run, or a `.keras` file.

    Raises:
        FileNotFoundError: If there is no such file; says what to do.
        ValueError: If it is a file of another kind.
    """
    file = Path(path) / "model.keras" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        unfinished = file.parent.joinpath("run.json").exists()
        hint = "The run has not finished; the command that began it continues it."
        other = "Give the folder of a run that `tf-routing fit` or `adapt` finished, or a .keras file."
        raise FileNotFoundError(f"There is no trained model at {file}. {hint if unfinished else other}")
    if file.suffix != ".keras":
        raise ValueError(f"`path` must be the folder of a run, or a .keras file. Received: {path}")
    return file
