"""`run.json`, the record of a run: its arguments, versions and results."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tf_routing.support.files import write_json
from tf_routing.support.hardware import versions

_WAYS = "Give what was given before, choose another --output, or begin anew with --restart."


def open_record(
    output: Path, arguments: dict[str, Any], writes: bool = True, *, begun: bool = True, epochs_begun: int = 0
) -> dict[str, Any]:
    """Returns the record of a new run, or of the run that stopped in this folder.

    A run may get more epochs, finished or not; what it was asked for before is then in `epochs_before`.

    Args:
        output: Folder of the run.
        arguments: What determines the run's result.
        writes: Boolean, whether this host writes there; the folder of another may be half begun.
        begun: Boolean, whether the folder holds something that a run goes on from. Without, a record that is there
            binds nobody: the run failed before it had done anything.
        epochs_begun: Integer, epochs that the run has behind it, an unfinished one included.

    Returns:
        The record, a dict.

    Raises:
        ValueError: If the folder holds a run with other arguments or of another backend, or something else.
    """
    record = find_record(output)
    if record is None and writes:
        check_folder(output)
    if record is None or not (begun or "final" in record):
        return {
            "arguments": arguments,
            "versions": versions(),
            "started": _now(),
            "continued_at_step": [],
            "seconds": 0.0,
        }
    record = _extend_epochs(output, record, arguments, epochs_begun)
    differences = find_differences(record["arguments"], arguments)
    if differences:
        raise ValueError(f"{output} holds a run with other arguments: {'; '.join(differences)}. {_WAYS}")
    _check_backend(output, record.get("versions", {}).get("backend"))
    return record


def find_record(output: Path) -> dict[str, Any] | None:
    """Returns the record of the run in a folder, `None` where there is no `run.json`.

    Raises:
        ValueError: If the file is damaged, or not ours.
    """
    file = output / "run.json"
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): remove it, or choose another --output.") from error
    if not isinstance(record, dict) or not isinstance(record.get("arguments"), dict):
        raise ValueError(f"{file} is no record of a run of tf_routing: choose another folder.")
    return record


def run_dataset(record: Mapping[str, Any] | None) -> str | None:
    """Returns the name of the dataset of a run, `None` where there is no record."""
    return (record or {}).get("arguments", {}).get("dataset")


def is_adapted(record: Mapping[str, Any]) -> bool:
    """Returns whether a run added routing to a network made elsewhere: it read no labels, so that it knows no accuracy.

    Args:
        record: Content of its `run.json`.
    """
    return "network_checksum" in record["arguments"]


def choose_dataset(given: str | None, record: Mapping[str, Any] | None) -> str:
    """Returns the name of a dataset that was given, that of the run where it is `None`.

    Raises:
        ValueError: If there is neither.
    """
    name = given or run_dataset(record)
    if name is None:
        raise ValueError("`dataset` must be given for a network without the record of its run. Received: dataset=None")
    return name


def check_folder(output: Path) -> None:
    """Raises a `ValueError` if something else than a run is where one is to be."""
    if find_record(output) is None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} exists and holds no run: choose another --output.")


def _extend_epochs(
    output: Path, record: dict[str, Any], arguments: dict[str, Any], epochs_begun: int
) -> dict[str, Any]:
    """Returns the record, with what is asked for now if that differs by more epochs alone."""
    before, now = (_get_epochs(each) for each in (record["arguments"], arguments))
    if before is None or now is None or before == now:
        return record
    if now < before:
        raise ValueError(
            f"`epochs` must be at least {before}, for which the run in {output} was asked. Received: epochs={now}. "
            f"{_WAYS}"
        )
    asked = {**record["arguments"], "recipe": {**record["arguments"]["recipe"], "epochs": now}}
    if find_differences(asked, arguments):
        # The caller's error names these, with the epochs.
        return record
    if not epochs_begun or epochs_begun > before:
        why = "its checkpoints are gone" if not epochs_begun else "its routers are frozen after the epochs of before"
        raise ValueError(
            f"`epochs` cannot grow from {before} to {now} for the run in {output}: {why}. Choose another --output, or "
            "begin anew with --restart."
        )
    kept = {key: value for key, value in record.items() if key != "final"}
    return {**kept, "arguments": asked, "epochs_before": [*record.get("epochs_before", []), before]}


def _get_epochs(arguments: dict[str, Any]) -> int | None:
    recipe = arguments.get("recipe")
    return recipe.get("epochs") if isinstance(recipe, dict) else None


def _check_backend(output: Path, before: str | None) -> None:
    now = versions()["backend"]
    # Records of earlier versions do not say.
    if before not in (None, now):
        raise ValueError(f"{output} holds a run of the {before} backend. Received: {now}; set KERAS_BACKEND={before}.")


def find_differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Returns what differs between two dicts of arguments, in words.

    Example:

    >>> find_differences({"seed": 0, "recipe": {"epochs": 3}}, {"seed": 0, "recipe": {"epochs": 4}})
    ['epochs was 3, now 4']
    """
    differences: list[str] = []
    # The keys of both: an argument that is no longer given is another argument too.
    for key in dict.fromkeys([*new, *old]):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            differences += find_differences(before, now)
        elif before != now:
            differences.append(f"{key} was {before!r}, now {now!r}")
    return differences


def remove_unfinished(output: Path) -> None:
    """Removes what a killed run was just writing: files that still have their temporary names."""
    for pattern in (".run-*.json", ".log-*.csv", ".model-*.keras", ".routing-*.png", "checkpoints/.step_*-*.npz"):
        for unfinished in output.glob(pattern):
            unfinished.unlink(missing_ok=True)


def write_record(output: Path, record: dict[str, Any]) -> None:
    """Writes `run.json` whole."""
    write_json(output / "run.json", record)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
