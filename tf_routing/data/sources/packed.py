"""Datasets in memory as folders of NumPy files, to be copied to machines without TensorFlow.

A folder holds `index.json` and pieces, each an `.npz` of `images` and `labels`. Reading them runs no code.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet
from tf_routing.support.files import whole_folder, write_json
from tf_routing.support.hashes import hash_file
from tf_routing.support.validation import positive_number

_INDEX, _FORMAT = "index.json", "tf_routing packed dataset, version 1"
_PARTS = ("train", "test")
_FIELDS = ("name", "class_names", "mirrors", "held_out", "ignored")
_MEGABYTE = 10**6
# Of a piece, what is neither images nor labels: headers of the archive and of two arrays.
_HEADERS = 4096
_AGAIN = "Copy the folder again, or write it anew with `tf-routing pack`."


def write_packed(dataset: Dataset, output: str | os.PathLike[str], piece_megabytes: float = 60) -> list[Path]:
    """Writes a dataset in memory as a folder of pieces, whole or not at all.

    Args:
        dataset: The dataset.
        output: The folder, not there yet or empty.
        piece_megabytes: Number, the most that a file holds, in millions of bytes.

    Returns:
        The files, the index first.

    Raises:
        ValueError: If the images are not in memory, or one alone does not fit into a piece.
        FileExistsError: If something is in the folder.
    """
    positive_number("piece_megabytes", piece_megabytes)
    if not all(isinstance(getattr(dataset, part), ImageSet) for part in _PARTS):
        raise ValueError(
            f"`dataset` must be in memory; pictures in files, like those of {dataset.name!r}, are copied as they are. "
            f"Received: dataset={dataset.name!r}"
        )
    with whole_folder(output) as folder:
        means, deviations = dataset.channel_statistics()
        content = {"format": _FORMAT, **{name: getattr(dataset, name) for name in _FIELDS}}
        content |= {"means": means, "deviations": deviations}
        content["pieces"] = {
            part: list(_write_pieces(folder, part, getattr(dataset, part), piece_megabytes)) for part in _PARTS
        }
        write_json(folder / _INDEX, content)
        names = [piece["file"] for part in _PARTS for piece in content["pieces"][part]]
    return [Path(output, name) for name in (_INDEX, *names)]


def _write_pieces(folder: Path, part: str, image_set: ImageSet, megabytes: float) -> Iterator[dict[str, Any]]:
    row = image_set.images[:1].nbytes + image_set.labels[:1].nbytes
    size = (int(megabytes * _MEGABYTE) - _HEADERS) // max(row, 1)
    if size < 1:
        raise ValueError(
            f"`piece_megabytes` must be at least {(row + _HEADERS) / _MEGABYTE:.3f}, for one image and its label. "
            f"Received: piece_megabytes={megabytes}"
        )
    for number, first in enumerate(range(0, image_set.image_count, size)):
        file = folder / f"{part}_{number:03d}.npz"
        rows = slice(first, first + size)
        np.savez(file, images=image_set.images[rows], labels=image_set.labels[rows])
        count = len(image_set.labels[rows])
        yield {"file": file.name, "images": count, "bytes": file.stat().st_size, "sha256": hash_file(file)}


def is_packed(folder: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds a packed dataset, as far as its index is there."""
    return os.path.isfile(os.path.join(os.path.expanduser(folder), _INDEX))


def check_packed(folder: str | os.PathLike[str]) -> None:
    """Checks that every piece of a packed dataset is there and has its size; reads the index alone.

    Raises:
        ValueError: If the index is damaged or foreign, or a piece is missing or has another size; names all that are.
    """
    root = Path(folder).expanduser()
    _check_pieces(root, _read_index(root))


def load_packed(folder: str | os.PathLike[str]) -> Dataset:
    """Reads a packed dataset, as it was packed.

    Args:
        folder: What `write_packed` wrote.

    Returns:
        The `Dataset`, by the name that it had.

    Raises:
        ValueError: If the index is damaged or foreign, or pieces are missing or damaged; names them.
    """
    root = Path(folder).expanduser()
    index = _read_index(root)
    _check_pieces(root, index)
    damaged = [each["file"] for each in _pieces(index) if hash_file(root / each["file"]) != each["sha256"]]
    if damaged:
        raise ValueError(f"{root} has damaged pieces: {', '.join(damaged)}. {_AGAIN}")
    parts = {part: _read_part(root, index["pieces"][part]) for part in _PARTS}
    fields = {name: index[name] for name in _FIELDS}
    mirrors = fields["mirrors"]
    return Dataset(**{**fields, **parts, "mirrors": tuple(mirrors) if isinstance(mirrors, list) else mirrors})


def _read_index(root: Path) -> dict[str, Any]:
    file = root / _INDEX
    try:
        index = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}). {_AGAIN}") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT:
        raise ValueError(f"{file} must be the index of a packed dataset, {_FORMAT!r}. {_AGAIN}")
    lacks = [name for name in (*_FIELDS, "pieces") if name not in index]
    if lacks:
        raise ValueError(f"{file} is damaged: it lacks {', '.join(lacks)}. {_AGAIN}")
    for piece in _pieces(index):
        # Names alone: an index from elsewhere reads nothing outside of its folder.
        piece["file"] = Path(piece["file"]).name
    return index


def _pieces(index: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [piece for part in _PARTS for piece in index["pieces"][part]]


def _check_pieces(root: Path, index: Mapping[str, Any]) -> None:
    pieces = {piece["file"]: piece["bytes"] for piece in _pieces(index)}
    missing = [name for name in pieces if not (root / name).is_file()]
    if missing:
        raise ValueError(f"{root} lacks pieces: {', '.join(missing)}. {_AGAIN}")
    cut = [name for name, size in pieces.items() if (root / name).stat().st_size != size]
    if cut:
        raise ValueError(f"{root} has damaged pieces: {', '.join(cut)}. {_AGAIN}")


def _read_part(root: Path, pieces: list[dict[str, Any]]) -> ImageSet:
    arrays = []
    for piece in pieces:
        with np.load(root / piece["file"], allow_pickle=False) as read:
            arrays.append((read["images"], read["labels"]))
    images, labels = zip(*arrays, strict=True)
    return ImageSet(np.concatenate(images), np.concatenate(labels))
