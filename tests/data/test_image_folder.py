"""Folders of pictures load as datasets, and those that cannot say which folder or file is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.written_folder import central_view, noise, png, write_folder
from tests.data.written_images import encoded, photograph
from tf_routing import data
from tf_routing.data import Dataset, PictureFiles
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import evaluation_batches, training_batches
from tf_routing.data.images.picture_files import find_damage, name_broken_files

_CLASSES = ("bee", "cat", "owl")
_SIZE = 8


def picture(number: int) -> np.ndarray:
    return noise(9 + number % 3, 10, seed=number)


def write_pictures(folder: Path, counts: dict[str, int], start: int = 0) -> None:
    """Writes pictures of one numbering, in the order of the classes."""
    number = start
    for class_name, count in counts.items():
        (folder / class_name).mkdir(parents=True)
        for i in range(count):
            (folder / class_name / f"{i}.PNG").write_bytes(png(picture(number)))
            number += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "mine" / "train", {"bee": 4, "cat": 2, "owl": 6})
    write_pictures(tmp_path / "mine" / "val", {"bee": 1, "cat": 2, "owl": 1}, start=12)
    return tmp_path / "mine"


def seen(batches: Any) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def views(numbers: range) -> np.ndarray:
    return np.stack([central_view(png(picture(number)), _SIZE) for number in numbers])


def load(folder: Path) -> Dataset:
    return data.load(str(folder), "nowhere").sized(_SIZE)


def test_a_folder_is_a_dataset(folder: Path) -> None:
    found = load(folder)
    assert (found.name, found.class_names, found.mirrors) == (str(folder), list(_CLASSES), True)
    assert (found.train.image_count, found.test.image_count) == (12, 4)
    np.testing.assert_array_equal(found.train.labels, np.repeat([0, 1, 2], [4, 2, 6]))
    images, labels = seen(evaluation_batches(found.test, 3))
    np.testing.assert_array_equal(labels, [0, 1, 1, 2])
    np.testing.assert_allclose(images, views(range(12, 16)), atol=1e-6)


def test_an_epoch_shows_each_picture_once_in_an_order_of_the_seed(folder: Path) -> None:
    train, expected = load(folder).train, views(range(12))
    images, labels = seen(training_batches(train, BatchPlan(4, seed=0, epochs=3)))
    numbers = [int(np.argmin(np.abs(expected - image).max(axis=(1, 2, 3)))) for image in images]
    np.testing.assert_allclose(images, expected[numbers], atol=1e-6)
    np.testing.assert_array_equal(labels, train.labels[numbers])
    orders = np.reshape(numbers, (3, 12))
    np.testing.assert_array_equal(np.sort(orders), [range(12)] * 3)
    assert len({tuple(order) for order in orders}) == 3
    again, _ = seen(training_batches(train, BatchPlan(4, seed=0, epochs=3, first_epoch=1)))
    np.testing.assert_array_equal(again, images[12:])
    other, _ = seen(training_batches(train, BatchPlan(4, seed=1, epochs=3)))
    assert (other != images).any()


def test_copies_and_ten_crops_work_on_pictures_too(folder: Path) -> None:
    found = load(folder)
    _, labels = seen(training_batches(found.train, BatchPlan(6, seed=0, epochs=1, copies=3)))
    np.testing.assert_array_equal(labels, np.repeat(labels[::3], 3))
    _, labels = seen(evaluation_batches(found.test, 20, crops=10))
    np.testing.assert_array_equal(labels, np.repeat([0, 1, 1, 2], 10))


def test_the_first_classes(folder: Path) -> None:
    kept = load(folder).first_classes(2)
    assert isinstance(kept.train, PictureFiles)
    assert (kept.class_names, kept.train.image_count, kept.test.image_count) == (["bee", "cat"], 6, 3)
    _, labels = seen(evaluation_batches(kept.train, 4))
    np.testing.assert_array_equal(labels, [0, 0, 0, 0, 1, 1])


@pytest.mark.parametrize(
    ("folders", "chosen"), [(["val", "validation"], "validation"), (["test", "val"], "test"), (["val"], "val")]
)
def test_which_folder_is_the_test_set(folders: list[str], chosen: str, tmp_path: Path) -> None:
    for name in ("train", *folders):
        write_pictures(tmp_path / name, {"bee": 1, "cat": 1})
    assert f"/{chosen}/" in load(tmp_path).test.files[0]


def test_a_test_folder_without_classes_is_passed_over(folder: Path) -> None:
    (folder / "test").mkdir()
    (folder / "test" / "0.png").write_bytes(png(picture(0)))
    assert "/val/" in load(folder).test.files[0]


def test_hidden_and_other_files_are_passed_over(folder: Path) -> None:
    (folder / "train" / ".thumbnails").mkdir()
    (folder / "train" / "bee" / "notes.txt").write_text("mine")
    (folder / "train" / "bee" / "._0.png").write_text("mine")
    found = load(folder)
    assert (found.train.image_count, found.note) == (12, "Ignored: 1 .txt, 1 hidden.")


def test_whatever_can_be_decoded_is_found_and_the_rest_is_counted(folder: Path) -> None:
    assert load(folder).note == ""
    bee, whole = folder / "train" / "bee", photograph()
    names = {"a.jfif": "JPEG", "b.JPE": "JPEG", "c.webp": "WEBP", "d.dib": "BMP", "no_ending": "PNG", "e.data": "GIF"}
    for name, kind in names.items():
        (bee / name).write_bytes(encoded(whole, kind))
    (bee / "2019" / "may").mkdir(parents=True)
    (bee / "2019" / "may" / "0.png").write_bytes(png(picture(0)))
    (bee / "2019" / "above").symlink_to(bee)
    for number in range(3):
        (bee / "2019" / f"{number}.tif").write_bytes(encoded(whole, "TIFF"))
    (folder / "train" / "loose.png").write_bytes(png(picture(0)))
    (folder / "val" / "cat" / "README").write_text("mine")
    found = load(folder)
    assert found.train.image_count == 12 + len(names) + 1
    assert found.note == "Ignored: 3 .tif, 1 .png outside of classes, 1 without an ending."
    # All of them are read, and the class is that of the folder below `train`.
    images, labels = seen(evaluation_batches(found.train, 32))
    assert len(images) == found.train.image_count and (labels == 0).sum() == 4 + len(names) + 1


def test_a_class_of_pictures_that_are_not_read_says_which(folder: Path) -> None:
    for file in (folder / "train" / "cat").iterdir():
        file.rename(file.with_suffix(".heic"))
        file.with_suffix(".heic").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"The class 'cat' must have pictures .*Received: none. Ignored: 2 .heic."):
        load(folder)


def test_the_reason_is_told_beside_the_name(folder: Path) -> None:
    animated = encoded(photograph(), "WEBP", save_all=True, append_images=[photograph().rotate(180)], lossless=True)
    (folder / "train" / "cat" / "1.webp").write_bytes(animated)
    found = load(folder)
    words = "cat/1.webp. Of the first: `images` must not hold what TensorFlow cannot read. Received: an animated WebP"
    with pytest.raises(ValueError, match=words), name_broken_files(found.train):
        seen(evaluation_batches(found.train, 4))


def test_a_prepared_name_goes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(
        tmp_path / "data", "shapes/1.0.0", {"train": [[(png(picture(0)), 0)]], "test": [[(png(picture(1)), 1)]]}
    )
    for part in ("train", "test"):
        write_pictures(tmp_path / "shapes" / part, {"bee": 1, "cat": 1})
    monkeypatch.chdir(tmp_path)
    assert data.load("shapes", "data").classes == 5
    assert data.load("./shapes", "data").classes == 2


def test_a_folder_of_another_layout_says_what_it_must_hold(folder: Path) -> None:
    with pytest.raises(ValueError, match="`dataset` must be a folder with `train` and .* which holds no folders"):
        load(folder / "train" / "bee")
    (folder / "val").rename(folder / "held_out")
    with pytest.raises(ValueError, match="one of test, validation, val in it, .* which holds held_out, train"):
        load(folder)
    write_pictures(folder / "one", {"bee": 2})
    with pytest.raises(ValueError, match="at least two folders, one per class, .* which holds bee"):
        load(folder / "one")


def test_a_file_that_ends_too_early_is_damaged(tmp_path: Path) -> None:
    whole = tf.io.encode_jpeg(noise(64, 64, seed=3)).numpy()
    for name, content in (("whole.jpg", whole), ("part.jpg", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
    assert find_damage(str(tmp_path / "whole.jpg")) == ""
    assert find_damage(str(tmp_path / "part.jpg")).startswith("The file is damaged, or ends too early: ")


def test_an_empty_class_is_named(folder: Path) -> None:
    for file in (folder / "val" / "cat").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=f"The class 'cat' must have pictures .* in {folder}/val/cat. Received: none"):
        load(folder)


def test_other_classes_in_test_are_named(folder: Path) -> None:
    (folder / "val" / "owl").rename(folder / "val" / "owls")
    with pytest.raises(ValueError, match="must be the same. Only the former has owl; only the latter has owls."):
        load(folder)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", tf.io.encode_jpeg(noise(40, 40)).numpy()[:300], b"\xff\xd8\xff and no more"]
)
def test_an_unreadable_picture_is_named(content: bytes, folder: Path) -> None:
    (folder / "train" / "cat" / "1.PNG").write_bytes(content)
    found = load(folder)
    with (
        pytest.raises(
            # The reason in one line, however many operations TensorFlow lists.
            ValueError,
            match=f"^These pictures .* remove them: {folder}/train/cat/1.PNG\\. Of the first: .+$",
        ),
        name_broken_files(found.test, found.train),
    ):
        seen(training_batches(found.train, BatchPlan(4, seed=0, epochs=1)))


def test_another_error_stays_what_it_is(folder: Path) -> None:
    with pytest.raises(tf.errors.ResourceExhaustedError), name_broken_files(load(folder).train):
        raise tf.errors.ResourceExhaustedError(None, None, "memory")
