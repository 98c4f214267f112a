"""Finds the file of a trained network in a run's folder, without opening it."""

from pathlib import Path


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
