"""A folder without a test set has a part of each class held out: an exact one, always the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tf_routing import data
from tf_routing.data import PictureFiles
from tf_routing.data.sources.held_out import hold_out

_COUNTS = {"bee": 10, "cat": 3, "owl": 13}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in _COUNTS.items():
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "mine" / name / f"{number:02d}.png").write_bytes(b"")
    return tmp_path / "mine"


def names(pictures: PictureFiles) -> list[str]:
    return ["/".join(Path(file).parts[-2:]) for file in pictures.files]


def test_a_fifth_of_each_class_is_held_out(folder: Path) -> None:
    found = data.load(str(folder))
    assert (found.class_names, found.held_out, found.mirrors) == (list(_COUNTS), 0.2, True)
    np.testing.assert_array_equal(np.bincount(found.test.labels), [2, 1, 3])
    np.testing.assert_array_equal(np.bincount(found.train.labels), [8, 2, 10])
    assert sorted(names(found.train) + names(found.test)) == sorted(
        f"{name}/{number:02d}.png" for name, count in _COUNTS.items() for number in range(count)
    )
    for part in (found.train, found.test):
        assert [list(_COUNTS)[label] for label in part.labels] == [name.partition("/")[0] for name in names(part)]
    assert f"{folder} has no test set: 6 of its 26 pictures, 20% of each class" in found.note


def test_the_part_is_the_same_wherever_the_folder_lies(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert names(data.load(str(tmp_path / "elsewhere")).test) == names(data.load(str(folder)).test)
    # Not the first ones: pictures are often in the order in which they were taken.
    assert names(data.load(str(folder)).test) != ["bee/00.png", "bee/01.png", "cat/00.png", "owl/00.png", "owl/01.png"]


def test_another_picture_hardly_changes_the_part(folder: Path) -> None:
    before = set(names(data.load(str(folder)).test))
    (folder / "owl" / "later.png").write_bytes(b"")
    assert len(before - set(names(data.load(str(folder)).test))) <= 1


def test_classes_that_are_kept_keep_their_part(folder: Path) -> None:
    everything, kept = data.load(str(folder)), data.load(str(folder)).first_classes(2)
    assert names(kept.test) == [name for name in names(everything.test) if not name.startswith("owl")]
    assert kept.held_out == 0.2


def test_a_single_picture_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="A class must have two pictures .* Received: mine/cat/0.png alone"):
        hold_out(PictureFiles(("mine/cat/0.png",), 1, file_labels=(0,)), "mine")


@pytest.mark.parametrize("part", ["train", "Testing", "val"])
def test_a_folder_that_is_divided_in_part_is_refused(part: str, folder: Path) -> None:
    (folder / "bee").rename(folder / part)
    with pytest.raises(ValueError, match="must be a folder with `train` and one of test, validation, val in it"):
        data.load(str(folder))
