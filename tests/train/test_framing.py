"""What evaluation sees of a picture is what an export of the run sees, for every recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.written_folder import png
from tests.exporting.exported import picture
from tf_routing.data import Dataset, ImageSet, PictureFiles
from tf_routing.data.batching.pipelines import evaluation_batches
from tf_routing.exporting.decoding import decoded_images
from tf_routing.runs.trained_network import framing_record, run_framing
from tf_routing.train.recipes.recipe import Recipe, list_recipes, load_recipe


def in_memory(image: np.ndarray) -> Dataset:
    one = ImageSet(image[None], np.zeros(1, int))
    return Dataset("memory", one, one, ["only"], mirrors=True)


def in_files(folder: Path, images: list[np.ndarray]) -> Dataset:
    files = [folder / f"{number}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(png(image))
    pictures = PictureFiles(tuple(map(str, files)), len(files), file_labels=(0,) * len(files))
    return Dataset("files", pictures, pictures, ["only"], mirrors=True)


def prepared(recipe: Recipe, dataset: Dataset) -> Dataset:
    return (
        recipe.prepared(dataset) if recipe.first_classes is None else recipe.changed(first_classes=1).prepared(dataset)
    )


def evaluated(dataset: Dataset) -> np.ndarray:
    return np.concatenate([images for images, _ in evaluation_batches(dataset.test, 8)])


def served(dataset: Dataset, images: list[np.ndarray]) -> np.ndarray:
    """What an export of a run on the dataset makes of the files."""
    record = {"framing": framing_record(dataset.test)}
    files = tf.constant([png(image) for image in images])
    return decoded_images(files, tuple(dataset.image_shape), **run_framing(record)).numpy()


@pytest.mark.parametrize("name", [name for name in list_recipes() if "/" not in name or name == "decide/training"])
def test_an_image_of_the_networks_size_arrives_unchanged(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    size = recipe.image_size or 32
    image = picture(size, size)
    dataset = in_memory(image) if recipe.image_size is None else in_files(tmp_path, [image])
    dataset = prepared(recipe, dataset)
    np.testing.assert_array_equal(evaluated(dataset)[0], image / np.float32(255))
    np.testing.assert_array_equal(served(dataset, [image])[0], image / np.float32(255))


_SEEN: dict[str, dict[str, Any]] = {
    "photographs": {},
    "resized": {"resize": 40},
    "whole": {"resize": 32},
    "random parts": {"random_size_crop": True},
    "all of the shorter side": {"crop": 1.0},
}


@pytest.mark.parametrize("kind", _SEEN)
def test_evaluation_and_export_see_the_same_pixels(kind: str, tmp_path: Path) -> None:
    images = [picture(60, 30), picture(32, 32), picture(33, 32), picture(20, 90), picture(7, 9)]
    dataset = in_files(tmp_path, images).sized(32, **_SEEN[kind])
    np.testing.assert_allclose(served(dataset, images), evaluated(dataset), atol=1e-5)


def test_records_of_earlier_versions_tell_it_by_dataset_and_recipe() -> None:
    before = {"arguments": {"dataset": "cifar10", "recipe": {"resize": None}}}
    assert run_framing(before) == {"crop": 1.0, "resize": None}
    before = {"arguments": {"dataset": "photographs", "recipe": {"resize": 256}}}
    assert run_framing(before)["resize"] == 256
    before = {"arguments": {"dataset": "photographs", "recipe": {}}}
    assert run_framing(before) == run_framing({}) == {"crop": 0.875, "resize": None}


def test_tiny_imagenet_is_not_enlarged() -> None:
    assert load_recipe("drn_tinyimagenet").resize == load_recipe("drn_tinyimagenet").image_size == 64
