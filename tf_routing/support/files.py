"""Writes files and folders atomically: under a temporary name, then renamed, so that they are whole or absent."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a path to write to, which becomes `path` when the block ends well and vanishes when it does not.

    The temporary name keeps the suffix, since writers choose their format by it.

    Raises:
        ValueError: If `path` is no path.
        IsADirectoryError: If it is a folder.
    """
    path = _as_path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file to write.")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a folder to fill, which becomes `path` when the block ends well and vanishes when it does not.

    Raises:
        ValueError: If `path` is no path.
        FileExistsError: If it exists and is not an empty folder; nothing is ever overwritten.
    """
    path = _as_path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists already: choose another path or remove it first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _as_path(path: Any) -> Path:
    # An empty text would be the folder that the process is in.
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ValueError(f"`path` must name a file or folder to write. Received: path={path!r}")
    return Path(path)


@contextlib.contextmanager
def explain_write_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Names the file of a run that could not be written, where the system's error does not say enough.

    Raises:
        OSError: If the block raises one.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{path} could not be written: {error.strerror or error}. What was there before is whole; with room and "
            "permission to write, the same command continues."
        ) from error


def read_rows(path: Path, advice: str = "restore it, or remove it") -> list[dict[str, Any]]:
    """Returns the rows of a JSON data file, none where it is not there yet.

    Args:
        path: The file.
        advice: What to do about a damaged one.

    Raises:
        ValueError: If the file cannot be read.
    """
    if not path.exists():
        return []
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): {advice}.") from error


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file whole, indented.

    Raises:
        OSError: If it cannot be written; names the file.
    """
    with explain_write_errors(path), whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
