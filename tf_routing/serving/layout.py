"""The folders of TensorFlow Serving, `DIR/<model>/<version>/`, changed only by renaming.

The server polls the folder of a model, and loads any version that it finds. Versions must be complete when they appear,
so they are written and removed in hidden folders of `DIR`, which it does not poll, and moved by a rename.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tf_routing.support.validation import positive_integer

_VERSION = re.compile(r"[0-9]+")
# The server parses versions as 64-bit integers, and ignores larger ones.
_HIGHEST = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def list_versions(folder: str | os.PathLike[str], name: str) -> list[int]:
    """Returns the published versions of a model, lowest first.

    Args:
        folder: The folder of all models.
        name: Name of the model.

    Returns:
        List of integers; empty where there is no such model.

    Example:

    >>> list_versions("/nowhere", "digits")
    []
    """
    return sorted({int(each.name) for each in _list_version_folders(folder, name)})


def _list_version_folders(folder: str | os.PathLike[str], name: str) -> list[Path]:
    """Returns the folders that the server takes for versions; it reads 007 as 7."""
    base = Path(folder, check_name(name))
    found = base.iterdir() if base.is_dir() else ()
    return [each for each in found if _VERSION.fullmatch(each.name) and each.is_dir()]


def check_name(name: str) -> str:
    """Raises a `ValueError` unless a name can be a folder and part of a URL, and returns it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"`name` must be letters, digits, '_', '-' and '.', and begin with none of the last two. "
            f"Received: name={name!r}"
        )
    return name


def next_version(folder: Path, name: str, version: int | None) -> int:
    """Returns the number of the version to publish: `version`, or one more than the highest one.

    Raises:
        ValueError: If the number is not a positive integer.
        FileExistsError: If it is taken; a version never changes.
    """
    there = list_versions(folder, name)
    if version is None:
        return (there[-1] if there else 0) + 1
    if positive_integer("version", version) > _HIGHEST:
        raise ValueError(f"`version` must be at most {_HIGHEST}. Received: version={version!r}")
    if version in there:
        raise FileExistsError(f"{folder / name} holds version {version} already: a version never changes.")
    return version


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder on the file system of the models, and removes it with all that is left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".publishing-", dir=folder))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def place(source: Path, folder: Path, name: str, version: int) -> Path:
    """Moves a complete folder to its place as a version, by one rename, and returns the new path.

    Raises:
        FileExistsError: If another process published this version meanwhile.
    """
    target = folder / name / str(version)
    target.parent.mkdir(exist_ok=True)
    source.chmod(0o755)
    try:
        source.rename(target)
    except OSError as error:
        if target.exists():
            raise FileExistsError(f"{target} appeared meanwhile: a version never changes.") from error
        raise
    return target


def remove_old(folder: Path, name: str, keep: int) -> list[int]:
    """Removes all versions but the `keep` highest, each by one rename, and returns their numbers."""
    old = list_versions(folder, name)[:-keep]
    with staging(folder) as removed:
        for each in _list_version_folders(folder, name):
            if int(each.name) in old:
                each.rename(removed / each.name)
    return old
