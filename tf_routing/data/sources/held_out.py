"""Holds out a share of each class as the test set, for folders that have none."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable

from tf_routing.data.images.picture_files import PictureFiles

SHARE = 0.2
# Part of what is drawn. One for all: whoever reads the folder again must find the same part.
_SEED = 0


def hold_out(pictures: PictureFiles, root: str, share: float = SHARE) -> tuple[PictureFiles, PictureFiles]:
    """Divides pictures into those to learn from and those to be measured on.

    Which picture is held out is drawn from its path below the folder: it depends neither on the machine nor on where
    the folder lies, and hardly on pictures that come or go. Of each class the share is exact but for rounding, at least
    one.

    Args:
        pictures: All pictures.
        root: The folder.
        share: Float between 0 and 1, the part of each class that is held out.

    Returns:
        Pair of `PictureFiles`, both in the order of their paths.

    Raises:
        ValueError: If a class has a single picture.

    Example:

    >>> files = tuple(f"mine/cat/{number}.png" for number in range(10))
    >>> [len(part.files) for part in hold_out(PictureFiles(files, 10, file_labels=(0,) * 10), "mine")]
    [8, 2]
    """
    paths = [os.path.relpath(file, root).replace(os.sep, "/") for file in pictures.files]
    chosen: set[int] = set()
    for _, members in _group_by_class(pictures.file_labels):
        if len(members) < 2:
            alone = pictures.files[members[0]]
            raise ValueError(f"A class must have two pictures where one is to be held out. Received: {alone} alone")
        chosen.update(draw_share(members, share, paths.__getitem__))
    indices = range(len(pictures.files))
    return _select(pictures, [i for i in indices if i not in chosen]), _select(pictures, sorted(chosen))


def draw_share(members: Iterable[int], share: float, name: Callable[[int], str]) -> list[int]:
    """Draws a share of the images of a class from their names alone: always the same.

    Args:
        members: Indices of the images.
        share: Float between 0 and 1, the part that is drawn, exact but for rounding; at least one image.
        name: Returns what the image of an index is called, its path or its number.

    Returns:
        Indices of the images that were drawn.

    Example:

    >>> draw_share([4, 5, 6], share=0.3, name="abcdefg".__getitem__)
    [4]
    """
    drawn = sorted(members, key=lambda index: _draw_order(name(index)))
    return drawn[: max(1, round(share * len(drawn)))]


def _group_by_class(labels: Iterable[int]) -> list[tuple[int, list[int]]]:
    """Returns every class in order, each with the indices of its images."""
    classes: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        classes.setdefault(label, []).append(index)
    return sorted(classes.items())


def _draw_order(name: str) -> bytes:
    return hashlib.sha256(f"{_SEED} {name}".encode("utf-8", "surrogateescape")).digest()


def _select(pictures: PictureFiles, indices: list[int]) -> PictureFiles:
    files, labels = tuple(pictures.files[i] for i in indices), tuple(pictures.file_labels[i] for i in indices)
    return dataclasses.replace(pictures, files=files, file_labels=labels, image_count=len(files))
