"""Finds the pictures that paths name: files, and all pictures in folders."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tf_routing.data.sources.image_search import describe_ignored, find_image_files

__all__ = ["find_pictures"]


def find_pictures(paths: Sequence[str]) -> tuple[list[str], str]:
    """Returns the pictures that paths name, each once, and a sentence on what was passed over.

    Args:
        paths: Files, which are taken whatever they hold, and folders, of which all pictures count, at any depth,
            sorted.

    Returns:
        Pair of the files' paths and a sentence, which is empty where nothing was passed over.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        ValueError: If there is no picture.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.png", "a.jpg", "notes.txt"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> found, said = find_pictures([str(folder)])
    >>> [Path(each).name for each in found], said
    (['a.jpg', 'b.png'], 'Ignored: 1 .txt.')
    """
    found: list[str] = []
    passed_over = Counter[str]()
    for path in paths:
        if Path(path).is_dir():
            found += find_image_files(Path(path), passed_over)
        elif Path(path).exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"There is nothing at {path}.")
    said = describe_ignored(passed_over)
    if not found:
        raise ValueError(f"There is no picture in {', '.join(paths)}. {said}".strip())
    return list(dict.fromkeys(found)), said
