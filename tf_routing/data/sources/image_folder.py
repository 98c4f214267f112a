"""Loads a user's own dataset: folders of image files, one per class."""

import os
from collections import Counter
from pathlib import Path

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.decoding.file_signatures import EXTENSIONS
from tf_routing.data.images.picture_files import PictureFiles
from tf_routing.data.sources.held_out import SHARE, hold_out
from tf_routing.data.sources.image_search import count_loose_files, describe_ignored, find_image_files
from tf_routing.support.validation import first_few

_TEST = ("test", "validation", "val")
# Names of folders that divide pictures, ours and others': where one is there, the rest are no classes.
_PARTS = {*_TEST, "train", "training", "testing", "valid"}


def load_image_folder(name: str) -> Dataset:
    """Returns a folder of pictures as a dataset.

    Args:
        name: Path of a folder with `train` and one of `test`, `validation` and `val` in it, each with one folder per
            class; or with folders of classes alone, of each of which a fifth is held out for tests. Classes are
            numbered in the order of their names, and have the pictures of all folders in theirs. What is no JPEG, PNG,
            GIF, BMP or WebP file, by its name or its content, is counted in the dataset's `note`.

    Returns:
        A `Dataset`. Its test images are those of the first of these folders that has classes.

    Raises:
        ValueError: If a folder is missing, a class has no picture, or training and test have other classes; says which.
    """
    root, passed_over = Path(name).expanduser(), Counter[str]()
    class_names, test_part = find_classes(name)
    if test_part is None:
        train, test = hold_out(_list_pictures(root, class_names, passed_over), str(root))
        return Dataset(name, train, test, class_names, True, held_out=SHARE, ignored=describe_ignored(passed_over))
    train, test = (_list_pictures(root / part, class_names, passed_over) for part in ("train", test_part))
    return Dataset(name, train, test, class_names, mirrors=True, ignored=describe_ignored(passed_over))


def find_classes(name: str) -> tuple[list[str], str | None]:
    """Returns the classes of a folder of pictures, and the name of its test set, `None` where it has none.

    Looks at folders alone, however many pictures are in them.

    Args:
        name: As for `load_image_folder`.

    Raises:
        ValueError: If a folder is missing, or training and test have other classes.
    """
    root = Path(name).expanduser()
    if _is_flat(root):
        return _folders(root), None
    class_names = _folders(root / "train")
    tested = [folder for folder in _TEST if _folders(root / folder)]
    if not class_names or not tested:
        raise ValueError(
            f"`dataset` must be a folder with `train` and one of {', '.join(_TEST)} in it, each with one folder per "
            f"class, or at least two folders, one per class, and nothing else. Received: dataset={name!r}, which holds "
            f"{first_few(_folders(root)) if _folders(root) else 'no folders'}"
        )
    _check_same(root, class_names, tested[0])
    return class_names, tested[0]


def _is_flat(root: Path) -> bool:
    """Whether a folder holds classes and no parts: two at least, and none that is named like a part."""
    found = _folders(root)
    return len(found) > 1 and not {each.lower() for each in found} & _PARTS


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are an editor's or a file manager's."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(each.name for each in entries if each.is_dir() and not each.name.startswith("."))


def _check_same(root: Path, class_names: list[str], test: str) -> None:
    train_only = set(class_names) - set(_folders(root / test))
    test_only = set(_folders(root / test)) - set(class_names)
    if train_only or test_only:
        raise ValueError(
            f"The classes in {root / 'train'} and {root / test} must be the same. Only the former has "
            f"{first_few(sorted(train_only))}; only the latter has {first_few(sorted(test_only))}."
        )


def _list_pictures(folder: Path, class_names: list[str], passed_over: Counter[str]) -> PictureFiles:
    files: list[str] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        others = Counter[str]()
        found = find_image_files(folder / class_name, others)
        if not found:
            raise ValueError(
                f"The class {class_name!r} must have pictures ({', '.join(EXTENSIONS)}) in {folder / class_name}. "
                f"Received: none. {describe_ignored(others)}".strip()
            )
        passed_over += others
        files += found
        labels += [label] * len(found)
    count_loose_files(folder, passed_over)
    return PictureFiles(tuple(files), len(files), file_labels=tuple(labels))
