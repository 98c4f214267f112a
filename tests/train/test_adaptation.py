"""`tf-routing adapt` makes a network that skips of a file and pictures, without a label."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.transforms.routing.own_nets import own_net, vary
from tf_routing.cli.main import main
from tf_routing.data import ImageSet, load
from tf_routing.train.adaptation import Adaptation, adapt
from tf_routing.train.recipes.recipe import load_recipe


def small_net() -> keras.Model:
    """Returns a classifier of images as large as the digits."""
    keras.utils.set_random_seed(2)
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(4, 3, 4, padding="same", activation="relu", name="stem")(image)
    y = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = keras.layers.Add(name="block")([x, y])
    x = keras.layers.Dense(10, "softmax", name="predictions")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, x, name="small")
    vary(model)
    return model


def test_it_trains_what_was_added(tmp_path: Path) -> None:
    model = small_net()
    model.save(tmp_path / "small.keras")
    dataset = load("digits")
    dataset = dataset._replace(train=ImageSet(*(each[:160] for each in dataset.train)))
    recipe = load_recipe("adapt").changed(epochs=1, batch_size=64)
    adaptation = Adaptation(input_range=(0, 255), calibration_share=0.1)
    record = adapt(tmp_path / "small.keras", dataset, recipe, tmp_path / "adapted", adaptation)
    assert record == json.loads((tmp_path / "adapted" / "adaptation.json").read_text("utf-8"))
    assert {"distillation_loss", "cost_loss", "agreement"} <= set(record["history"])
    loaded = keras.saving.load_model(tmp_path / "adapted" / "model.keras")
    x = dataset.test.images[:4]
    # It takes floats in [0, 1], and the body is as it was.
    np.testing.assert_allclose(
        loaded.answer_whole(x / 255)["whole_probabilities"], model(x.astype("float32")), atol=1e-5
    )
    assert loaded.input_range == (0, 1) and loaded.budgets
    np.testing.assert_allclose(loaded(x), loaded(x / 255), atol=1e-6)


def test_the_command_refuses_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapt", "--keras", str(tmp_path / "none.keras"), "--output", str(tmp_path / "out")]) != 0
    assert "There is no file at" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_must_be_square(tmp_path: Path) -> None:
    image = keras.Input((8, 6, 3), name="image")
    model = keras.Model(image, own_net()(keras.layers.ZeroPadding2D((0, 1))(image)))
    model.save(tmp_path / "wide.keras")
    with pytest.raises(ValueError, match="must take square images"):
        adapt(
            tmp_path / "wide.keras",
            load("digits"),
            load_recipe("adapt"),
            tmp_path / "out",
            Adaptation(input_range=(0, 1)),
        )
