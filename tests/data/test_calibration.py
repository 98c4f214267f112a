"""A part of the training images is set apart, of each class alike and always the same."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.written_folder import noise, png
from tf_routing import data
from tf_routing.data import ImageSet
from tf_routing.data.calibration import set_apart


def numbered(count: int, classes: int) -> ImageSet:
    labels = np.arange(count) % classes
    return ImageSet(np.broadcast_to(np.arange(count, dtype="uint8").reshape(-1, 1, 1, 1), (count, 2, 2, 1)), labels)


def test_every_image_is_in_one_part_and_each_class_gives_its_share() -> None:
    kept, apart = set_apart(numbered(200, 4), 0.1)
    found = np.concatenate([kept.images[:, 0, 0, 0], apart.images[:, 0, 0, 0]])
    assert sorted(found) == list(range(200))
    np.testing.assert_array_equal(np.bincount(apart.labels), [5] * 4)
    for part in (kept, apart):
        assert (np.diff(part.images[:, 0, 0, 0].astype(int)) > 0).all()
        np.testing.assert_array_equal(part.labels, part.images[:, 0, 0, 0] % 4)


def test_the_part_is_always_the_same() -> None:
    # Written down: a run that was trained long ago must find the images that it did not see.
    apart = set_apart(numbered(20, 2), 0.2)[1]
    again = set_apart(numbered(20, 2), 0.2)[1]
    np.testing.assert_array_equal(apart.images, again.images)
    assert apart.images[:, 0, 0, 0].tolist() == [1, 6, 14, 17]


def test_pictures_are_set_apart_by_their_paths(tmp_path: Path) -> None:
    for part, count in (("train", 5), ("test", 1)):
        for label in ("cat", "dog"):
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(count):
                (tmp_path / part / label / f"{number}.png").write_bytes(png(noise(8, 8, seed=number)))
    loaded = data.load(str(tmp_path))
    without, apart = data.calibration_split(loaded, 0.2)
    assert (without.train.image_count, apart.image_count, without.test.image_count) == (8, 2, 2)
    assert {*without.train.files, *apart.files} == set(loaded.train.files)
    assert without.calibration_share == 0.2 and loaded.calibration_share is None


@pytest.mark.parametrize("share", [0, 1, -0.1, True, "0.1", None])
def test_a_share_that_is_none_is_named(share: object) -> None:
    with pytest.raises(ValueError, match="`share` must be between 0 and 1"):
        set_apart(numbered(8, 2), share)  # type: ignore[arg-type]


def test_what_cannot_be_divided_is_named() -> None:
    with pytest.raises(ValueError, match="A class must have two images"):
        set_apart(numbered(3, 2), 0.5)
    with pytest.raises(ValueError, match="images in memory, and of folders of pictures"):
        set_apart(object(), 0.5)
