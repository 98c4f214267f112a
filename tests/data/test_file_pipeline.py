"""Batches of streams: every image once an epoch, and the same ones in a run that continues, on any machine."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.batch_lists import Batches, assert_same, labels
from tests.data.prepared_data import load_or_skip
from tests.data.written_folder import central_view, numbered, write_records
from tf_routing.data import ImageStream
from tf_routing.data.batching import file_pipeline
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import evaluation_batches, first_images, steps_per_epoch, training_batches
from tf_routing.data.images import image_stream

_COUNT, _BATCH, _STEPS, _SIZE = 40, 7, 5, 14


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> ImageStream:
    """Noise in files of unlike lengths, each image labelled by its index."""
    folder, examples, ends = tmp_path_factory.mktemp("stream"), numbered(_COUNT), (0, 3, 15, 16, 28, _COUNT)
    shards = itertools.pairwise(ends)
    files = tuple(write_records(folder / f"{start}", examples[start:end]) for start, end in shards)
    return ImageStream(files, _COUNT, _SIZE, random_size_crop=True)


def training(stream: ImageStream, seed: int = 0, epochs: int = 3, batch_size: int = _BATCH, **options: Any) -> Batches:
    options = {"mirror": True, **options}
    return [(x.numpy(), y.numpy()) for x, y in training_batches(stream, BatchPlan(batch_size, seed, epochs, **options))]


@pytest.fixture(scope="module")
def batches(stream: ImageStream) -> Batches:
    """What three epochs show."""
    return training(stream)


def central_views() -> np.ndarray:
    return np.stack([central_view(image, _SIZE) for image, _ in numbered(_COUNT)])


def test_an_epoch_repeats_no_image_and_is_in_no_order(batches: Batches) -> None:
    assert len(batches) == 3 * _STEPS
    assert {x.shape for x, _ in batches} == {(_BATCH, _SIZE, _SIZE, 3)}
    for epoch in range(3):
        seen = labels(batches[epoch * _STEPS : (epoch + 1) * _STEPS])
        assert len(set(seen)) == _STEPS * _BATCH
        assert (np.diff(seen) < 0).sum() > 5


@pytest.mark.parametrize("shuffled", [1, 6, 8192])
def test_a_batch_that_divides_the_set_sees_all_of_it(
    shuffled: int, stream: ImageStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_stream, "_SHUFFLED", shuffled)
    seen = labels(training(stream, batch_size=10)).reshape(3, _COUNT)
    np.testing.assert_array_equal(np.sort(seen), [np.arange(_COUNT)] * 3)


def test_files_come_in_another_order_each_epoch(stream: ImageStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_stream, "_SHUFFLED", 1)
    seen = labels(training(stream, epochs=8, batch_size=10)).reshape(8, _COUNT)
    assert len({int(first) for first in seen[:, 0]}) > 2
    assert {int(first) for first in seen[:, 0]} <= {0, 3, 15, 16, 28}


def test_a_small_buffer_still_shuffles(stream: ImageStream, monkeypatch: pytest.MonkeyPatch) -> None:
    one_file = dataclasses.replace(stream, files=stream.files[1:2], image_count=12)
    monkeypatch.setattr(image_stream, "_SHUFFLED", 4)
    epochs = labels(training(one_file, batch_size=12)).reshape(3, 12)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    # A buffer of four hands an image out at most three places early.
    assert (np.argsort(epochs) >= np.arange(12) - 3).all()


def test_epochs_differ_in_order(batches: Batches) -> None:
    epochs = labels(batches).reshape(3, -1)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_images_go_with_their_labels(stream: ImageStream) -> None:
    views = central_views()
    for x, y in training(stream.sized(_SIZE), mirror=False):
        np.testing.assert_allclose(x, views[y], atol=1e-6)


def test_mirrors_are_of_the_images(stream: ImageStream) -> None:
    views = central_views()
    mirrored = []
    for x, y in training(stream.sized(_SIZE), mirror=True):
        for image, view in zip(x, views[y], strict=True):
            mirrored.append(np.allclose(image, view[:, ::-1], atol=1e-6))
            assert mirrored[-1] or np.allclose(image, view, atol=1e-6)
    assert 0.3 < np.mean(mirrored) < 0.7


def test_images_shift_too(stream: ImageStream) -> None:
    views = np.pad(central_views(), ((0, 0), (1, 1), (1, 1), (0, 0)))
    for x, y in training(stream.sized(_SIZE), epochs=1, mirror=False, shift=1):
        for image, view in zip(x, views[y], strict=True):
            moves = [view[i : i + _SIZE, j : j + _SIZE] for i in range(3) for j in range(3)]
            assert any(np.allclose(image, move, atol=1e-6) for move in moves)


@pytest.mark.parametrize("first_epoch", [1, 2])
def test_continuing_gives_the_batches_of_an_uninterrupted_run(
    first_epoch: int, stream: ImageStream, batches: Batches
) -> None:
    assert_same(training(stream, first_epoch=first_epoch), batches[first_epoch * _STEPS :])


def test_no_epochs_left_is_no_batches(stream: ImageStream) -> None:
    assert training(stream, first_epoch=3) == []


@pytest.mark.parametrize("workers", [1, 5])
def test_the_number_of_cores_changes_nothing(
    workers: int, stream: ImageStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fewer than a file holds, so that the files mix.
    monkeypatch.setattr(image_stream, "_IN_A_ROW", 2)
    before = training(stream, epochs=1)
    for module in (image_stream, file_pipeline):
        monkeypatch.setattr(module, "_WORKERS", workers)
    assert_same(training(stream, epochs=1), before)


def test_the_global_seed_changes_nothing(stream: ImageStream, batches: Batches) -> None:
    # That of this file is 0.
    tf.random.set_seed(3)
    assert_same(training(stream), batches)


def test_another_seed_changes_the_order(stream: ImageStream) -> None:
    assert (labels(training(stream, seed=4)) != labels(training(stream, seed=5))).any()


def test_another_seed_changes_the_crops(stream: ImageStream) -> None:
    numbered_records = tf.data.TFRecordDataset(list(stream.files)).enumerate()
    first, again, other = (
        np.stack([x for x, _ in file_pipeline._crop_at_random(stream, numbered_records, tf.constant(seed, tf.int64))])
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=(1, 2, 3)).mean() > 0.9


def test_an_image_is_cropped_anew_each_epoch(stream: ImageStream) -> None:
    views: dict[int, list[bytes]] = {}
    for x, y in training(stream, mirror=False):
        for image, label in zip(x, y, strict=True):
            views.setdefault(int(label), []).append(image.tobytes())
    repeated = [seen for seen in views.values() if len(set(seen)) < len(seen)]
    # Of a picture of 8 by 9 pixels, two boxes are the same now and then.
    assert len(repeated) < _COUNT / 4


def test_evaluation_covers_all_images_in_order(stream: ImageStream) -> None:
    batches = [(x.numpy(), y.numpy()) for x, y in evaluation_batches(stream, _BATCH)]
    assert [len(y) for _, y in batches] == [7, 7, 7, 7, 7, 5]
    np.testing.assert_array_equal(labels(batches), np.arange(_COUNT))
    np.testing.assert_allclose(np.concatenate([x for x, _ in batches]), central_views(), atol=1e-6)
    assert len(evaluation_batches(stream, _BATCH)) == 6


def test_files_with_another_number_of_images_are_an_error(stream: ImageStream) -> None:
    with pytest.raises(tf.errors.FailedPreconditionError, match="41"):
        list(evaluation_batches(dataclasses.replace(stream, image_count=_COUNT + 1), _BATCH))


@pytest.mark.parametrize(("count", "found"), [(3, 3), (35, 35), (100, _COUNT)])
def test_first_images(count: int, found: int, stream: ImageStream) -> None:
    images, classes = first_images(stream, count)
    np.testing.assert_array_equal(classes, np.arange(found))
    np.testing.assert_allclose(images, central_views()[:found], atol=1e-6)


def test_labels_are_those_of_the_files(stream: ImageStream) -> None:
    np.testing.assert_array_equal(stream.labels, np.arange(_COUNT))
    assert stream.first_label == 0


def test_steps_count_full_batches(stream: ImageStream) -> None:
    assert [steps_per_epoch(stream, size) for size in (7, 10, 40)] == [5, 4, 1]


def test_a_batch_larger_than_the_set_is_an_error(stream: ImageStream) -> None:
    with pytest.raises(ValueError, match=r"`batch_size` must be at most 40.*Received: 41"):
        training_batches(stream, BatchPlan(41, seed=0, epochs=1))


def test_a_stream_without_a_size_is_an_error(stream: ImageStream) -> None:
    unsized = dataclasses.replace(stream, image_size=None)
    assert unsized.image_shape == (None, None, 3)
    for batches in (
        lambda: training_batches(unsized, BatchPlan(7, seed=0, epochs=1)),
        lambda: evaluation_batches(unsized, 7),
    ):
        with pytest.raises(ValueError, match="`image_size` must be set in the recipe.*Received: image_size=None"):
            batches()


@pytest.mark.parametrize("size", [0, 2.5, "224"])
def test_a_wrong_size_is_an_error(size: Any, stream: ImageStream) -> None:
    with pytest.raises(ValueError, match=f"`image_size` must be a positive integer. Received: image_size={size!r}"):
        stream.sized(size)


def test_photographs() -> None:
    photographs = load_or_skip("imagenette224/subset").sized(64, random_size_crop=True)
    batches = training(photographs.train, epochs=1, batch_size=40)
    np.testing.assert_array_equal(np.bincount(labels(batches)), [40] * 10)
    views = np.concatenate([x for x, _ in batches])
    assert views.shape == (400, 64, 64, 3)
    assert (views.min(), views.max()) == (0, 1)
    assert len({view.tobytes() for view in views}) == 400
    evaluated = [(x.numpy(), y.numpy()) for x, y in evaluation_batches(photographs.test, 32)]
    assert [x.shape for x, _ in evaluated] == [(32, 64, 64, 3)] * 3 + [(4, 64, 64, 3)]
    np.testing.assert_array_equal(np.bincount(labels(evaluated)), [10] * 10)
    np.testing.assert_array_equal(labels(evaluated), photographs.test.labels)
    assert (evaluated[0][0].min(), evaluated[0][0].max()) == pytest.approx((0, 1), abs=0.05)


@pytest.mark.parametrize("random_size_crop", [False, True])
def test_no_two_draws_share_a_seed(
    random_size_crop: bool, stream: ImageStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(place: int, image: Any, seed: Any) -> Any:
        """The image with a seed in two of its pixels."""
        pixels = tf.reshape(tf.range(tf.size(image)), tf.shape(image))
        values = tf.cast(seed, tf.float32)
        return tf.where(pixels == place, values[0], tf.where(pixels == place + 1, values[1], image))

    black = tf.zeros((_SIZE, _SIZE, 3))
    monkeypatch.setattr(file_pipeline, "random_resized_crop", lambda _, size, seed: shown(0, black, seed))
    monkeypatch.setattr(file_pipeline, "random_crop", lambda _, size, seed: shown(0, black, seed))
    monkeypatch.setattr(file_pipeline, "shift_and_mirror", lambda images, *given: shown(2, images[0], given[-1])[None])
    resized = None if random_size_crop else _SIZE + 2
    seen = dataclasses.replace(stream, random_size_crop=random_size_crop, resize=resized)
    # Of one image per batch, steps and images count alike.
    batches = training_batches(seen, BatchPlan(1, seed=4, epochs=2, shift=1))
    rows = np.stack([images.reshape(-1)[:4] for images, _ in batches.as_numpy_iterator()])
    crops, shifts = set(map(tuple, rows[:, :2])), set(map(tuple, rows[:, 2:]))
    orders = {(4, epoch) for epoch in range(2)}
    assert len(crops) == len(shifts) == 2 * _COUNT
    assert not crops & shifts and not (crops | shifts) & orders
