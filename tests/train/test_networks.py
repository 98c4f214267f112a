"""One function builds the network for a dataset and a recipe, whichever command trains it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_routing import data, zoo
from tf_routing.data import Dataset, ImageSet, PictureFiles
from tf_routing.studies import study_runs
from tf_routing.train import fit as fit_module
from tf_routing.train.networks import build_network, prepare_dataset
from tf_routing.train.recipes.recipe import Recipe, list_recipes, load_recipe
from tf_routing.tuning import trials as tune_trials

_PICTURES = PictureFiles(("a.png", "b.png"), 2, file_labels=(0, 1))
_FOLDER = Dataset("mine", _PICTURES, _PICTURES, ["bee", "cat"], mirrors=True)
_RECIPE = Recipe("mine", "Mine", epochs=1, batch_size=2, learning_rate=0.1)


class Built(Exception):
    """Raised in place of building a network, with what it would be built with."""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def instead(*names: str, **arguments: Any) -> None:
        raise Built(names, arguments)

    monkeypatch.setattr(zoo, "get", instead)


@pytest.fixture(scope="module")
def many() -> Dataset:
    """Random images, as many as fill a batch of any recipe, in 100 classes at 224x224 where they have to be."""
    labels = np.arange(512) % 100
    images = ImageSet(np.zeros((512, 8, 8, 3), "uint8"), labels)
    return Dataset("many", images, images, [str(number) for number in range(100)], mirrors=True)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", list_recipes())
def test_fit_tune_and_study_build_the_same_network(name: str, many: Dataset, tmp_path: Path) -> None:
    recipe = load_recipe(name).changed(shift=1)
    files = PictureFiles(("a.png",) * 512, 512, file_labels=tuple(range(100)) * 5 + tuple(range(12)))
    dataset = many if recipe.image_size is None else many._replace(train=files, test=files)
    arguments = {"width_multiplier": 0.25, "router": "dense"}
    shown, sized = prepare_dataset("drn_resnet32", dataset, recipe)
    trials = tune_trials.Trials("drn_resnet32", shown, sized, 1, 0, arguments)
    setup = study_runs.Setup("drn_resnet32", shown, sized, tmp_path, 0, arguments)
    found = []
    for build in (
        lambda: fit_module.fit("drn_resnet32", dataset, recipe, tmp_path / "run", model_arguments=arguments),
        trials.network,
        lambda: study_runs.build(setup, {}),
    ):
        with pytest.raises(Built) as built:
            build()
        found.append(built.value.args)
    assert found[0] == found[1] == found[2]
    (architecture,), given = found[0]
    assert architecture == "drn_resnet32" and {**given, **arguments} == given
    assert given["input_shape"] == shown.image_shape and given["classes"] == shown.classes
    assert ("standardize" in given) == recipe.standardize


def test_standardisation_is_the_recipes_or_what_the_network_is_given() -> None:
    digits = data.load("digits")
    arguments = {"width_multiplier": 0.125}
    plain = Recipe("plain", "Plain", epochs=1, batch_size=2, learning_rate=0.1, standardize=False)
    names = [
        [layer.name for layer in build_network("resnet20", digits, recipe, {**arguments, **more}).layers]
        for recipe, more in ((_RECIPE, {}), (plain, {}), (_RECIPE, {"standardize": None}))
    ]
    assert names[1] == names[2] != names[0]


@pytest.mark.parametrize("name", ["classes", "input_shape"])
def test_what_the_dataset_decides_is_no_argument(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` is decided by the dataset.*Received: {name}=5"):
        build_network("resnet20", data.load("digits"), _RECIPE, {name: 5})


@pytest.mark.parametrize(
    ("architecture", "asked", "size"), [("drn_resnet32", None, 32), ("resnet50_2cc", None, 224), ("resnet20", 48, 48)]
)
def test_pictures_have_the_size_of_the_recipe_or_else_of_the_network(
    architecture: str, asked: int | None, size: int
) -> None:
    shown, recipe = prepare_dataset(architecture, _FOLDER, _RECIPE.changed(image_size=asked))
    assert shown.image_shape == (size, size, 3) and recipe.image_size == size


def test_images_in_memory_keep_their_size() -> None:
    shown, recipe = prepare_dataset("resnet50_2cc", data.load("digits"), _RECIPE)
    assert shown.image_shape == (32, 32, 3) and recipe == _RECIPE


def test_trained_weights_bring_their_own_standardisation(many: Dataset, no_network: None) -> None:
    recipe = _RECIPE.changed(image_size=None)
    for weights, standardizes in ((None, True), ("run/model.keras", False), ("model.weights.h5", True)):
        for how in ({"arguments": {"weights": weights}}, {"arguments": {}, "weights": weights}):
            with pytest.raises(Built) as built:
                build_network("basecnn", many, recipe, **how)  # type: ignore[arg-type]
            asked = built.value.args[1]
            assert asked["weights"] == weights and ("standardize" in asked) is standardizes
