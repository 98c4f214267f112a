"""The labels of all images are looked at before training and before measuring, in memory and in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.written_folder import noise, png, write_folder
from tf_routing import data, zoo
from tf_routing.data import Dataset, ImageSet
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.train.fit import fit
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.tuning.tune import SearchSettings, tune

_RIGHT = [0, 1, 2, 3, 4, 0, 1]
_RECIPE = Recipe("tiny", "One step", epochs=1, batch_size=4, learning_rate=0.05, shift=0)
_IN_MEMORY = {
    "too large": ([*_RIGHT, 5, 7, 5], "labels 5, 7$"),
    "negative": ([*_RIGHT, -1], "labels -1$"),
    "nan": ([*_RIGHT, np.nan], "labels nan$"),
    "fraction": ([*_RIGHT, 2.5], r"labels 2\.5$"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def in_memory(train: Sequence[float], test: Sequence[float]) -> Dataset:
    """A dataset of five classes that says so."""
    sets = [ImageSet(np.zeros((len(labels), 16, 16, 3), "uint8"), np.asarray(labels)) for labels in (train, test)]
    return Dataset("mine", *sets, list("abcde"), mirrors=False)


def in_files(folder: Path, train: Sequence[int], test: Sequence[int]) -> Dataset:
    """The same in records; the features say five classes."""
    parts = [[(png(noise(16, 16, seed=n)), label) for n, label in enumerate(labels)] for labels in (train, test)]
    write_folder(folder, "mine/1.0.0", {"train": [parts[0][:4], parts[0][4:]], "test": [parts[1]]})
    return data.load("mine", str(folder)).sized(16)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("kind", _IN_MEMORY)
def test_arrays_whose_last_label_fits_no_class(kind: str, part: str) -> None:
    labels, shown = _IN_MEMORY[kind]
    dataset = in_memory(*((labels, _RIGHT) if part == "train" else (_RIGHT, labels)))
    with pytest.raises(ValueError, match=f"`{part}` must have .* 0 to 4, for the 5 classes of 'mine'.*{shown}"):
        dataset.check_labels()
    in_memory(_RIGHT, _RIGHT).check_labels()


@pytest.mark.parametrize("wrong", [5, -1])
def test_records_whose_last_label_fits_no_class(wrong: int, tmp_path: Path) -> None:
    dataset = in_files(tmp_path, [*_RIGHT, wrong], _RIGHT)
    for _ in range(2):
        # Read, and then remembered.
        with pytest.raises(ValueError, match=f"`train` must have .*'mine'. Received: labels {wrong}$"):
            dataset.check_labels()
    kept = dataset.first_classes(3)
    kept.check_labels()
    assert sorted(kept.train.labels) == [0, 0, 1, 1, 2] and kept.train.image_count == 5


@pytest.mark.parametrize("labels", [np.eye(5)[[0, 1]], np.zeros(3, int)])
def test_labels_that_are_not_one_for_each_image(labels: np.ndarray) -> None:
    images = ImageSet(np.zeros((2, 16, 16, 3), "uint8"), labels)
    with pytest.raises(ValueError, match=r"`labels` must be class indices of shape \(2,\).*Received: labels of shape"):
        Dataset("mine", images, images, list("abcde"), mirrors=False).check_labels()


def test_nothing_is_trained_or_measured(tmp_path: Path) -> None:
    wrong = in_memory([*_RIGHT, 6], _RIGHT)
    narrow = {"width_multiplier": 0.125}
    started = ((fit, {"model_arguments": narrow}), (tune, {"settings": SearchSettings(model_arguments=narrow)}))
    for start, options in started:
        with pytest.raises(ValueError, match="`train` must have labels"):
            start("basecnn", wrong, _RECIPE, tmp_path / "run", **options)
        assert not (tmp_path / "run").exists()
    model: Any = zoo.get("basecnn", classes=5, input_shape=(16, 16, 3), width_multiplier=0.125)
    with pytest.raises(ValueError, match="`test` must have labels"):
        evaluate(model, in_memory(_RIGHT, [*_RIGHT, 6]), 4)
