"""What the folder of a finished run holds for its report, read without Keras."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.runs.run_record import find_record
from tf_routing.runs.trained_file import BUDGETS, EVALUATION, trained_file


class RunFolder(NamedTuple):
    """A finished run.

    Args:
        path: Its folder.
        record: The content of `run.json`.
        log: The rows of `log.csv`, one per epoch; none of a network that was put together without training.
        budgets: What `tf-routing calibrate` wrote there, `None` where it did not.
        evaluation: What `tf-routing evaluate --output` wrote there as `evaluation.json`, `None` where it did not.
    """

    path: Path
    record: dict[str, Any]
    log: list[dict[str, str]]
    budgets: dict[str, Any] | None
    evaluation: dict[str, Any] | None


def read_run(path: str) -> RunFolder:
    """Reads the folder of a finished run.

    Args:
        path: The folder.

    Raises:
        FileNotFoundError: If there is no such folder, or no run or no trained network in it.
        ValueError: If the run has not finished, or a file is damaged.
    """
    folder = Path(path)
    advice = "Give the folder of a run that `tf-routing fit` finished."
    if not folder.is_dir():
        raise FileNotFoundError(f"{path} is no folder. {advice}")
    record = find_record(folder)
    if record is None:
        raise FileNotFoundError(f"{path} holds no run: there is no run.json. {advice}")
    if "final" not in record:
        raise ValueError(f"The run in {path} has not finished; `tf-routing fit` continues it.")
    trained_file(path)
    return RunFolder(
        folder, record, _read_log(folder / "log.csv"), *(_read_json(folder / name) for name in (BUDGETS, EVALUATION))
    )


def _read_log(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def _read_json(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): write it anew, or remove it.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds no results of one network: write it anew, or remove it.")
    return content
