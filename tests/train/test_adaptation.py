"""`tf-routing adapt` makes a network that skips of a file and pictures, without a label."""

import csv
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.transforms.routing.own_nets import own_net, vary
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet, load
from tf_routing.runs.run_record import find_record
from tf_routing.train import adaptation
from tf_routing.train.adaptation import Adaptation, adapt
from tf_routing.train.callbacks import Checkpoints
from tf_routing.train.recipes.recipe import Recipe, load_recipe


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


def prepare(folder: Path) -> tuple[Path, Dataset, Recipe]:
    """Returns the file of a network, and what to adapt it with."""
    small_net().save(folder / "small.keras")
    dataset = load("digits")
    dataset = dataset._replace(
        train=ImageSet(*(each[:320] for each in dataset.train)), test=ImageSet(*(each[:40] for each in dataset.test))
    )
    return folder / "small.keras", dataset, load_recipe("adapt").changed(epochs=2, batch_size=64)


ADAPTATION = Adaptation(input_range=(0, 255), calibration_share=0.2)


def test_it_trains_what_was_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, dataset, recipe = prepare(tmp_path)
    output = tmp_path / "adapted"
    record = adapt(file, dataset, recipe, output, ADAPTATION)
    assert record == find_record(output) and record["budgets"]
    rows = list(csv.DictReader((output / "log.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 2 and {"distillation_loss", "val_cost_loss", "val_agreement"} <= set(rows[0])
    model, loaded = small_net(), keras.saving.load_model(output / "model.keras")
    x = dataset.test.images[:4]
    # It takes floats in [0, 1], and the body is as it was.
    np.testing.assert_allclose(
        loaded.answer_whole(x / 255)["whole_probabilities"], model(x.astype("float32")), atol=1e-5
    )
    assert loaded.input_range == (0, 1) and loaded.budgets
    np.testing.assert_allclose(loaded(x), loaded(x / 255), atol=1e-6)
    check_other_commands(output, tmp_path, capsys)
    # What is finished stays, and another network does not go on in its folder.
    before = (output / "model.keras").read_bytes()
    assert adapt(file, dataset, recipe, output, ADAPTATION) == record
    assert (output / "model.keras").read_bytes() == before
    model.layers[-1].bias.assign_add(np.ones(10))
    model.save(file)
    with pytest.raises(ValueError, match="network_checksum was .*, now .*--restart"):
        adapt(file, dataset, recipe, output, ADAPTATION)


def check_other_commands(output: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Checks that commands take the run's folder for a run."""
    measured, drawn = folder / "measured.json", folder / "drawn.png"
    assert main(["evaluate", str(output), "--rounds", "0", "--output", str(measured)]) == 0
    assert 0 <= json.loads(measured.read_text("utf-8"))["accuracy"] <= 1
    assert "does not name its classes" in capsys.readouterr().out
    assert main(["figures", "error_curves", str(output), "--output", str(drawn)]) != 0
    assert "Those of `adapt` read no labels" in capsys.readouterr().err
    assert not drawn.exists()


class _Stop(Exception):
    """Stands for a kill."""


def test_what_stopped_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, dataset, recipe = prepare(tmp_path)
    whole = adapt(file, dataset, recipe, tmp_path / "whole", ADAPTATION)

    def stop(*_: Any) -> None:
        raise _Stop

    # Within the second epoch, then before anything is saved, when training is over.
    for place, name in ((Checkpoints, "on_epoch_end"), (adaptation, "calibrate_budgets")):
        with monkeypatch.context() as patch, pytest.raises(_Stop):
            patch.setattr(place, name, stop)
            adapt(file, dataset, recipe, tmp_path / "stopped", ADAPTATION, checkpoint_every=3)
        assert not (tmp_path / "stopped" / "model.keras").exists()
    record = adapt(file, dataset, recipe, tmp_path / "stopped", ADAPTATION, checkpoint_every=3)
    assert record["continued_at_step"] == [3, 8]
    assert record["budgets"] == whole["budgets"] and record["final"] == whole["final"]
    first, second = (keras.saving.load_model(tmp_path / each / "model.keras") for each in ("whole", "stopped"))
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
    assert not list((tmp_path / "stopped").rglob(".*"))


@pytest.mark.parametrize("changes", [{"frozen_epochs": 1}, {"copies": 2}])
def test_recipes_of_what_it_does_not_do_are_refused(changes: dict[str, int], tmp_path: Path) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"`recipe` must have {name}="):
        adapt(tmp_path / "none", load("digits"), load_recipe("adapt").changed(**changes), tmp_path, ADAPTATION)


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
