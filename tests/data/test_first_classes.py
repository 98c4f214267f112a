"""The first classes of a dataset: the images of these and no others, counted once where files must be read for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.prepared_data import load_or_skip
from tests.data.written_folder import noise, png, write_folder, write_records
from tf_routing import data
from tf_routing.data import Dataset, ImageSet
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import evaluation_batches, steps_per_epoch, training_batches
from tf_routing.data.images import class_counts

_LABELS = np.random.default_rng(0).integers(0, 5, 60)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def streamed(tmp_path: Path) -> Dataset:
    """Five classes in three files for training and one for tests."""
    examples = [(png(noise(9, 9, seed=i)), int(label)) for i, label in enumerate(_LABELS)]
    shards = [examples[:7], examples[7:30], examples[30:50]]
    write_folder(tmp_path, "shapes/1.0.0", {"train": shards, "test": [examples[50:]]})
    return data.load("shapes", str(tmp_path)).sized(8)


def labels(batches: Any) -> np.ndarray:
    return np.concatenate([each for _, each in batches.as_numpy_iterator()])


@pytest.mark.parametrize("count", [2, 3, 4])
def test_streams_keep_the_first_classes(count: int, streamed: Dataset) -> None:
    kept = streamed.first_classes(count)
    train, test = _LABELS[:50][_LABELS[:50] < count], _LABELS[50:][_LABELS[50:] < count]
    assert (kept.train.image_count, kept.test.image_count) == (len(train), len(test))
    assert kept.class_names == streamed.class_names[:count] and kept.classes == count
    np.testing.assert_array_equal(kept.train.labels, train)
    np.testing.assert_array_equal(labels(evaluation_batches(kept.train, 7)), train)
    np.testing.assert_array_equal(kept.test.labels, test)


def test_an_epoch_shows_each_kept_image_once(streamed: Dataset) -> None:
    kept = streamed.first_classes(3).train
    assert steps_per_epoch(kept, 5) == kept.image_count // 5
    batches = training_batches(kept, BatchPlan(1, seed=0, epochs=2))
    np.testing.assert_array_equal(np.sort(labels(batches).reshape(2, -1)), [np.sort(kept.labels)] * 2)
    np.testing.assert_array_equal(labels(batches), labels(training_batches(kept, BatchPlan(1, seed=0, epochs=2))))


def test_images_in_memory_go_with_their_labels() -> None:
    images = np.arange(60, dtype="uint8")[:, None, None, None] * np.ones((1, 4, 4, 3), "uint8")
    names = list("abcde")
    whole = Dataset(
        "shapes", ImageSet(images, _LABELS), ImageSet(images[:9], _LABELS[:9]), names, (True,) * 4 + (False,)
    )
    kept = whole.first_classes(2)
    np.testing.assert_array_equal(kept.train.images, images[_LABELS < 2])
    np.testing.assert_array_equal(kept.train.labels, _LABELS[_LABELS < 2])
    np.testing.assert_array_equal(kept.test.labels, _LABELS[:9][_LABELS[:9] < 2])
    assert (kept.class_names, kept.mirrors) == (["a", "b"], (True, True))


def test_all_classes_are_the_dataset_itself(streamed: Dataset, cache: Path) -> None:
    assert streamed.first_classes(5) is streamed
    assert not cache.exists()


@pytest.mark.parametrize("count", [0, 2.0, True, "3"])
def test_a_wrong_count_is_named(count: Any, streamed: Dataset) -> None:
    with pytest.raises(ValueError, match=f"`first_classes` must be .* Received: first_classes={count!r}"):
        streamed.first_classes(count)


def test_more_classes_than_there_are(streamed: Dataset) -> None:
    with pytest.raises(ValueError, match="`first_classes` must be at most 5, the classes of 'shapes'. Received: .*6"):
        streamed.first_classes(6)


def test_classes_without_images_are_an_error(streamed: Dataset) -> None:
    assert (_LABELS[50:] > 0).all()
    with pytest.raises(
        ValueError, match="`first_classes` leaves .* training and 0 test images of 'shapes'. Received: .*1"
    ):
        streamed.first_classes(1)


def test_files_are_read_once(streamed: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = streamed.train.files
    expected = np.bincount(_LABELS[:50]).tolist()
    assert class_counts.class_counts(files).tolist() == expected
    (remembered,) = (cache / "tf_routing" / "class_counts").iterdir()
    with monkeypatch.context() as patch:
        patch.delattr(class_counts, "_count")
        assert class_counts.class_counts(files).tolist() == expected
    remembered.write_text("{", "utf-8")
    assert class_counts.class_counts(files).tolist() == expected


def test_counts_of_all_parts_that_are_read_at_a_time_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part holds the highest class and the only image without a label, the last part the lowest alone."""
    examples = [(png(noise(9, 9)), label) for label in (3, -1, 0, 1, 2, 1, 0, 0)]
    files = [write_records(tmp_path / "shapes.tfrecord", examples)]
    monkeypatch.setattr(class_counts, "_BATCH", 2)
    assert class_counts.class_counts(files).tolist() == [3, 2, 1, 1]
    assert class_counts.has_negative_labels(files)


def test_files_that_changed_are_read_again(streamed: Dataset) -> None:
    first, *others = streamed.train.files
    before = class_counts.class_counts(streamed.train.files)
    Path(first).write_bytes(Path(others[0]).read_bytes())
    after = class_counts.class_counts(streamed.train.files)
    assert (after - before).tolist() == (
        np.bincount(_LABELS[7:30], minlength=5) - np.bincount(_LABELS[:7], minlength=5)
    ).tolist()


def test_a_cache_that_cannot_be_written_costs_time_only(
    streamed: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert class_counts.class_counts(streamed.train.files).sum() == 50


def test_photographs() -> None:
    kept = load_or_skip("tiny_imagenet").first_classes(3)
    assert (kept.train.image_count, kept.test.image_count) == (1500, 150)
    np.testing.assert_array_equal(np.bincount(kept.test.labels), [50] * 3)
