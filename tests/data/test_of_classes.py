"""Datasets numbered as a network has learnt their classes, whatever holds the images; others are refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.written_folder import noise, png, write_folder
from tf_routing import data
from tf_routing.data import Dataset, ImageSet
from tf_routing.data.batching.pipelines import evaluation_batches

_LABELS = [0, 0, 1, 2, 2, 2, 1, 0]
_NAMES = ["ant", "bee", "cat"]


def _image(number: int) -> np.ndarray:
    return noise(8, 8, seed=number)


def memory(folder: Path) -> Dataset:
    images = ImageSet(np.stack([_image(number) for number in range(len(_LABELS))]), np.array(_LABELS))
    return Dataset("memory", images, images, list(_NAMES), (True, False, True))


def files(folder: Path) -> Dataset:
    for part in ("train", "test"):
        for number, label in enumerate(_LABELS):
            path = folder / "mine" / part / _NAMES[label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(_image(number)))
    return data.load(str(folder / "mine")).sized(8)


def records(folder: Path) -> Dataset:
    examples = [(png(_image(number)), label) for number, label in enumerate(_LABELS)]
    write_folder(folder, "shapes/1.0.0", {"train": [examples], "test": [examples]})
    found = data.load("shapes", str(folder)).sized(8)
    # Five classes by what TensorFlow Datasets says, of which the first three have images.
    return found._replace(class_names=[*_NAMES, "dog", "elk"]).of_classes(_NAMES, others=True)


def seen(dataset: Dataset) -> dict[bytes, int]:
    """The label of every test image."""
    rows = [row for batch in evaluation_batches(dataset.test, 3) for row in zip(*batch, strict=True)]
    return {np.asarray(image).tobytes(): int(label) for image, label in rows}


@pytest.fixture(params=[memory, files, records])
def dataset(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return request.param(tmp_path)


def test_images_keep_their_names(dataset: Dataset) -> None:
    other = dataset.of_classes(["cat", "ant", "bee"])
    assert other.class_names == ["cat", "ant", "bee"]
    before, after = seen(dataset), seen(other)
    assert len(after) == other.test.image_count == len(_LABELS)
    assert {key: other.class_names[label] for key, label in after.items()} == {
        key: dataset.class_names[label] for key, label in before.items()
    }
    np.testing.assert_array_equal(np.sort(other.test.labels), np.sort([(label + 1) % 3 for label in _LABELS]))


def test_others_are_left_out_where_that_is_asked_for(dataset: Dataset) -> None:
    kept = dataset.of_classes(["cat", "bee"], others=True)
    found = seen(kept)
    assert len(found) == kept.test.image_count == kept.train.image_count == 5
    before = seen(dataset)
    assert all(kept.class_names[label] == _NAMES[before[key]] for key, label in found.items())


def test_twice_is_once(dataset: Dataset) -> None:
    names = ["bee", "cat", "ant"]
    assert seen(dataset.of_classes(["cat", "ant", "bee"]).of_classes(names)) == seen(dataset.of_classes(names))
    assert dataset.of_classes(_NAMES) is dataset


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["ant", "bee", "cow"], "lacks cow, and has besides cat"),
        (["ant", "bee"], "lacks nothing, and has besides cat"),
        ([*_NAMES, "dog"], "lacks dog, and has besides nothing"),
    ],
)
def test_what_does_not_match_is_named(names: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"`dataset` must have the classes that the network learnt. 'memory' {words}"):
        memory(tmp_path).of_classes(names)


def test_whether_a_class_mirrors_goes_with_it(tmp_path: Path) -> None:
    moved: Any = memory(tmp_path).of_classes(["bee", "ant", "cat"]).mirrors
    assert moved == (False, True, True)
