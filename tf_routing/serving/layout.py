"""Folders as TensorFlow Serving reads them: `DIR/<model>/<version>/`.

The server looks into the model's folder again and again. What it finds there by number must be whole, so versions are
written and removed in folders of `DIR` itself, which it does not look at, and moved by renaming.
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
# The server holds it in 64 bits, and looks past what is larger.
_HIGHEST = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def list_versions(folder: str | os.PathLike[str], name: str) -> list[int]:
    """Returns the versions of a model that are there, lowest first.

    Args:
        folder: The folder of all models.
        name: Name of the model.

    Returns:
        List of integers; empty where there is no such model.

    Example:

    >>> list_versions("/nowhere", "digits")
    []
    """
    return sorted({int(each.name) for each in _version_folders(folder, name)})


def _version_folders(folder: str | os.PathLike[str], name: str) -> list[Path]:
    """What the server takes for versions: it reads 007 as 7."""
    base = Path(folder, check_name(name))
    found = base.iterdir() if base.is_dir() else ()
    return [each for each in found if _VERSION.fullmatch(each.name) and each.is_dir()]


def check_name(name: str) -> str:
    """Returns a model's name that can be a folder and part of a URL, else raises a `ValueError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"`name` must be letters, digits, '_', '-' and '.', and begin with none of the last two. "
            f"Received: name={name!r}"
        )
    return name


def next_version(folder: Path, name: str, version: int | None) -> int:
    """Returns the number of a version to publish: the one asked for, or the highest that is there and one.

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
    """Yields a folder beside the models', on their file system, that vanishes with whatever is left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".publishing-", dir=folder))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def place(source: Path, folder: Path, name: str, version: int) -> Path:
    """Makes a whole folder a version, in one step, and returns where it is.

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
    """Removes all versions but the `keep` highest, and returns their numbers. Each vanishes in one step."""
    old = list_versions(folder, name)[:-keep]
    with staging(folder) as removed:
        for each in _version_folders(folder, name):
            if int(each.name) in old:
                each.rename(removed / each.name)
    return old
