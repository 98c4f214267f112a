"""`run.json`: what a run was asked to do, with what, and what came out."""

import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tf_routing.files import whole_file

_PACKAGES = ("tf_routing", "keras", "tensorflow", "numpy")


def open_record(output: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the record of a new run, or of the run that stopped in this folder.

    Args:
        output: Folder of the run.
        arguments: What determines the run's result.

    Returns:
        The record, a dict.

    Raises:
        ValueError: If the folder holds a run with other arguments, or something else.
    """
    file = output / "run.json"
    if file.exists():
        record = json.loads(file.read_text("utf-8"))
        differences = _differences(record["arguments"], arguments)
        if differences:
            raise ValueError(f"{output} holds a run with other arguments: {'; '.join(differences)}.")
        return record
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} exists and holds no run: choose another --output.")
    return {"arguments": arguments, "versions": versions(), "started": _now(), "continued_at_step": [], "seconds": 0.0}


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


def write_record(output: Path, record: dict[str, Any]) -> None:
    """Writes `run.json` whole."""
    write_json(output / "run.json", record)


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file whole, readable for people."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def versions() -> dict[str, str]:
    """Returns the versions of what computes, and the machine's kind."""
    installed = {}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "not installed"
    return {"python": platform.python_version(), "machine": platform.machine(), **installed}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
