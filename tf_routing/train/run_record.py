"""`run.json`: what a run was asked to do, with what, and what came out."""

import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tf_routing.files import whole_file
from tf_routing.train.troubles import writing

_PACKAGES = ("tf_routing", "keras", "tensorflow", "jax", "numpy")


def open_record(output: Path, arguments: dict[str, Any], writes: bool = True) -> dict[str, Any]:
    """Returns the record of a new run, or of the run that stopped in this folder.

    Args:
        output: Folder of the run.
        arguments: What determines the run's result.
        writes: Boolean, whether this host writes there; the folder of another may be half begun.

    Returns:
        The record, a dict.

    Raises:
        ValueError: If the folder holds a run with other arguments or of another backend, or something else.
    """
    file = output / "run.json"
    if file.exists():
        record = _read(file)
        differences = _differences(record["arguments"], arguments)
        if differences:
            raise ValueError(f"{output} holds a run with other arguments: {'; '.join(differences)}.")
        _check_backend(output, record.get("versions", {}).get("backend"))
        return record
    if writes and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} exists and holds no run: choose another --output.")
    return {"arguments": arguments, "versions": versions(), "started": _now(), "continued_at_step": [], "seconds": 0.0}


def _read(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): choose another --output.") from error


def _check_backend(output: Path, before: str | None) -> None:
    now = versions()["backend"]
    # Records of earlier versions do not say.
    if before not in (None, now):
        raise ValueError(f"{output} holds a run of the {before} backend. Received: {now}; set KERAS_BACKEND={before}.")


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    differences: list[str] = []
    # The keys of both: an argument that is no longer given is another argument too.
    for key in dict.fromkeys([*new, *old]):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            differences += _differences(before, now)
        elif before != now:
            differences.append(f"{key} was {before!r}, now {now!r}")
    return differences


def remove_unfinished(output: Path) -> None:
    """Removes what a killed run was just writing: files of its own that had not got their names yet."""
    for pattern in (".run-*.json", ".log-*.csv", ".model-*.keras", ".routing-*.png", "checkpoints/.step_*-*.npz"):
        for unfinished in output.glob(pattern):
            unfinished.unlink(missing_ok=True)


def write_record(output: Path, record: dict[str, Any]) -> None:
    """Writes `run.json` whole."""
    write_json(output / "run.json", record)


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file whole, readable for people."""
    with writing(path), whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def versions() -> dict[str, str]:
    """Returns the versions of what computes, the backend, and the machine's kind."""
    import keras

    installed = {}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "not installed"
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    return {**machine, "backend": keras.backend.backend(), **installed}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
