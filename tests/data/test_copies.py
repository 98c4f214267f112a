"""Batches that show each image in several copies: neighbours, each augmented by itself, from memory and from files."""

import itertools
from typing import Any

import numpy as np
import pytest

from tests.data.batch_lists import Batches, assert_same
from tests.data.written_folder import central_view, noise, png, write_records
from tf_routing.data import ImageSet, ImageStream
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.pipelines import steps_per_epoch, training_batches

_COUNT, _COPIES, _SIZE = 40, 3, 8
# Seven images a batch: five batches an epoch, and five images left out.
_BATCH, _STEPS = 7 * _COPIES, 5


def pictures() -> np.ndarray:
    return np.stack([noise(_SIZE, _SIZE, seed=i) for i in range(_COUNT)])


def plain(source: Any) -> np.ndarray:
    """What a network sees of each picture where nothing is augmented."""
    if isinstance(source, ImageSet):
        return pictures().astype("float32") / 255
    return np.stack([np.asarray(central_view(png(image), _SIZE)) for image in pictures()])


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same pictures, each labelled by its index, in memory, and in files of unlike lengths."""
    folder, ends = tmp_path_factory.mktemp("copies"), (0, 3, 15, 16, 28, _COUNT)
    examples = [(png(image), i) for i, image in enumerate(pictures())]
    files = tuple(write_records(folder / f"{a}", examples[a:b]) for a, b in itertools.pairwise(ends))
    return {
        "memory": ImageSet(pictures(), np.arange(_COUNT)),
        "files": ImageStream(files, _COUNT, _SIZE),
        "crops": ImageStream(files, _COUNT, _SIZE, random_size_crop=True),
    }


@pytest.fixture(params=["memory", "files"])
def source(request: pytest.FixtureRequest, sources: dict[str, Any]) -> Any:
    return sources[request.param]


# Crops are read from the same files.
@pytest.fixture(params=["memory", pytest.param("files", marks=pytest.mark.heavy), "crops"])
def any_source(request: pytest.FixtureRequest, sources: dict[str, Any]) -> Any:
    return sources[request.param]


def training(source: Any, seed: int = 0, epochs: int = 3, batch_size: int = _BATCH, **options: Any) -> Batches:
    options = {"shift": 1, "mirror": True, "copies": _COPIES, **options}
    return [(x.numpy(), y.numpy()) for x, y in training_batches(source, BatchPlan(batch_size, seed, epochs, **options))]


def groups(batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels, `(images, copies, ...)`."""
    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    return x.reshape(-1, _COPIES, *x.shape[1:]), y.reshape(-1, _COPIES)


def test_neighbours_have_one_label_and_an_epoch_repeats_no_image(any_source: Any) -> None:
    batches = training(any_source)
    assert len(batches) == 3 * _STEPS and {x.shape for x, _ in batches} == {(_BATCH, _SIZE, _SIZE, 3)}
    for epoch in range(3):
        _, labels = groups(batches[epoch * _STEPS : (epoch + 1) * _STEPS])
        np.testing.assert_array_equal(labels, labels[:, :1].repeat(_COPIES, axis=1))
        assert len(set(labels[:, 0])) == len(labels) == 7 * _STEPS
        assert (np.diff(labels[:, 0]) < 0).any()


def test_a_batch_that_divides_the_set_shows_all_of_it(any_source: Any) -> None:
    _, labels = groups(training(any_source, batch_size=10 * _COPIES))
    np.testing.assert_array_equal(np.sort(labels[:, 0].reshape(3, _COUNT)), [np.arange(_COUNT)] * 3)


def test_neighbours_are_the_image_of_their_label(source: Any) -> None:
    images, labels = groups(training(source, shift=0, mirror=False))
    np.testing.assert_allclose(images, plain(source)[labels], atol=1e-6)


def test_every_copy_is_a_view_of_its_image(source: Any) -> None:
    padded = np.pad(plain(source), ((0, 0), (1, 1), (1, 1), (0, 0)))
    for copies, labels in zip(*groups(training(source, epochs=1)), strict=True):
        moved = [padded[labels[0], i : i + _SIZE, j : j + _SIZE] for i in range(3) for j in range(3)]
        views = np.stack([*moved, *(view[:, ::-1] for view in moved)])
        for image in copies:
            assert np.abs(views - image).max(axis=(1, 2, 3)).min() < 1e-5


@pytest.mark.parametrize("first", range(_COPIES))
def test_each_copy_is_mirrored_by_itself(source: Any, first: int) -> None:
    images, labels = groups(training(source, shift=0))
    mirrored = np.abs(images - plain(source)[labels]).max(axis=(2, 3, 4)) > 1e-5
    one, other = mirrored[:, first], mirrored[:, (first + 1) % _COPIES]
    assert 0.3 < one.mean() < 0.7
    # Five deviations of a coin that is thrown for each of 105 images.
    assert abs((one == other).mean() - 0.5) < 5 * 0.5 / np.sqrt(len(one))


def test_each_copy_is_cropped_by_itself(sources: dict[str, Any]) -> None:
    images, _ = groups(training(sources["crops"], shift=0, mirror=False))
    differ = [(images[:, a] != images[:, b]).any(axis=(1, 2, 3)).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(differ) > 0.9


def test_one_copy_is_no_copies(source: Any) -> None:
    alone = training_batches(source, BatchPlan(7, seed=2, epochs=2, shift=1, mirror=True))
    assert_same(training(source, seed=2, epochs=2, batch_size=7, copies=1), [(x.numpy(), y.numpy()) for x, y in alone])


def test_images_come_in_the_order_in_which_they_come_without_copies(any_source: Any) -> None:
    _, labels = groups(training(any_source))
    alone = np.concatenate([y for _, y in training(any_source, batch_size=7, copies=1)])
    np.testing.assert_array_equal(labels[:, 0], alone)


def test_the_same_seed_repeats_everything_and_another_changes_it(any_source: Any) -> None:
    first, again, other = (training(any_source, seed=seed) for seed in (4, 4, 5))
    assert_same(first, again)
    assert (groups(first)[1] != groups(other)[1]).any()


@pytest.mark.parametrize("first_epoch", [1, 2])
def test_continuing_gives_the_batches_of_an_uninterrupted_run(any_source: Any, first_epoch: int) -> None:
    assert_same(training(any_source, first_epoch=first_epoch), training(any_source)[first_epoch * _STEPS :])


def test_an_image_is_augmented_anew_each_epoch(any_source: Any) -> None:
    images, labels = groups(training(any_source))
    seen: dict[int, set[bytes]] = {}
    for copies, own in zip(images, labels, strict=True):
        seen.setdefault(int(own[0]), set()).update(copy.tobytes() for copy in copies)
    # Eighteen views of each, or more, in three epochs of three copies.
    assert np.mean([len(views) for views in seen.values()]) > _COPIES + 1


def test_steps_count_batches_of_whole_groups(source: Any) -> None:
    assert [steps_per_epoch(source, size, 3) for size in (3, 21, 30, 120, 123)] == [40, 5, 4, 1, 0]


@pytest.mark.parametrize("batch_size", [20, 22, 2])
def test_a_batch_that_is_no_multiple_is_named(source: Any, batch_size: int) -> None:
    message = f"`batch_size` must be a multiple of copies=3. Received: batch_size={batch_size}"
    for call in (lambda: steps_per_epoch(source, batch_size, 3), lambda: training(source, batch_size=batch_size)):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_batch_of_more_images_than_there_are_is_named(source: Any) -> None:
    with pytest.raises(ValueError, match="`batch_size` must be at most 120 for the images there are. Received: 123"):
        training(source, batch_size=123)
    assert len(training(source, epochs=1, batch_size=120)) == 1


@pytest.mark.parametrize("copies", [0, 1.5, True])
def test_a_wrong_number_of_copies_is_named(source: Any, copies: Any) -> None:
    with pytest.raises(ValueError, match=f"`copies` must be a positive integer. Received: copies={copies!r}"):
        training(source, copies=copies)
