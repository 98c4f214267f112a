"""Finds image files in folders, and counts the files that are passed over."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tf_routing.data.images.decoding.file_signatures import extension, is_image_file

_HIDDEN = "hidden"


def find_image_files(folder: Path, passed_over: Counter[str]) -> list[str]:
    """Returns the paths of all pictures in a folder and the folders in it, sorted.

    Args:
        folder: The folder.
        passed_over: Counts by ending what is no picture of a format that is read, and what is hidden; added to.
    """
    found = []
    for entry in _walk(folder, passed_over, set()):
        if is_image_file(entry.path):
            found.append(entry.path)
        else:
            passed_over[extension(entry.name)] += 1
    return sorted(found)


def count_loose_files(folder: Path, passed_over: Counter[str]) -> None:
    """Counts the files next to the folders of classes, images too: they are of no class."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                passed_over[_HIDDEN if _is_hidden(entry) else f"{extension(entry.name)} outside of classes"] += 1


def describe_ignored(passed_over: Counter[str]) -> str:
    """Returns a sentence on the files that were passed over, nothing where there are none.

    Example:

    >>> describe_ignored(Counter({".tif": 12, ".txt": 1}))
    'Ignored: 12 .tif, 1 .txt.'
    """
    counts = sorted(passed_over.items(), key=lambda each: (-each[1], each[0]))
    return f"Ignored: {', '.join(f'{count} {name}' for name, count in counts)}." if counts else ""


def _walk(folder: Path | str, passed_over: Counter[str], above: set[tuple[int, int]]) -> Iterator[os.DirEntry[str]]:
    state = os.stat(folder)
    # A link to a folder above would be followed for ever.
    if (state.st_dev, state.st_ino) in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            # An editor's or a file manager's.
            if _is_hidden(entry):
                passed_over[_HIDDEN] += 1
            elif entry.is_dir():
                yield from _walk(entry.path, passed_over, above | {(state.st_dev, state.st_ino)})
            else:
                yield entry


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".")
