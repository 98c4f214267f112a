"""A search looks at training images only, goes on where it stopped, and writes what `fit` can train with."""

import argparse
import csv
import dataclasses
import inspect
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_routing import data, zoo
from tf_routing.cli.commands.tune import add_options
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet, ImageStream
from tf_routing.train.recipes.recipe import Recipe, load_recipe
from tf_routing.train.recipes.recipe_files import read_recipe
from tf_routing.tuning.results import best_recipe
from tf_routing.tuning.search_space import PARTS, Parameter, read_parameters, search_space, set_objective_values
from tf_routing.tuning.trials import held_out
from tf_routing.tuning.tuners import TUNERS

pytestmark = pytest.mark.usefixtures("eagerly")

_RECIPE = Recipe("quick", "One epoch", epochs=1, batch_size=16, learning_rate=0.05, copies=2, shift=1)


def few_digits() -> Dataset:
    digits = data.load("digits")
    train = ImageSet(digits.train.images[:100], digits.train.labels[:100])
    # Test images that any look at would spoil: they have no shape that fits.
    return digits._replace(train=train, test=ImageSet(np.zeros((3, 1, 1, 1), "uint8"), np.zeros(3, int)))


def names(architecture: str, fixed: tuple[str, ...] = (), **arguments: Any) -> list[str]:
    shape = {"classes": 10, "input_shape": (32, 32, 3), "width_multiplier": 0.25}
    model = zoo.get(architecture, **shape, **arguments)
    return [parameter.name for parameter in search_space(architecture, model, fixed)]


def test_what_is_held_out_is_every_fifth_image_of_each_class_and_no_test_image() -> None:
    digits = data.load("digits")
    parts = held_out(digits, 0.2, seed=1)
    joined = np.concatenate([parts.train.images, parts.test.images])
    assert sorted(map(bytes, joined)) == sorted(map(bytes, digits.train.images))
    shares = np.bincount(parts.test.labels) / np.bincount(digits.train.labels)
    np.testing.assert_allclose(shares, 0.2, atol=0.005)
    again, other = held_out(digits, 0.2, seed=1), held_out(digits, 0.2, seed=2)
    np.testing.assert_array_equal(parts.test.images, again.test.images)
    assert (parts.test.images != other.test.images).any()


def test_what_is_held_out_must_be_possible() -> None:
    with pytest.raises(ValueError, match=r"`validation_share` must be between 0 and 1. Received: validation_share=1"):
        held_out(data.load("digits"), 1, seed=0)
    stream = Dataset("photographs", ImageStream(("a",), 9), ImageStream(("b",), 9), ["x"], mirrors=True)
    with pytest.raises(ValueError, match=r"`dataset` must be one that fits in memory. Received: dataset='photographs'"):
        held_out(stream, 0.2, seed=0)


@pytest.mark.parametrize(
    "family",
    ["multipath", "dmnn", "drn", "early_exit", "convnet_aig", "skipnet", "blockdrop", "msdnet", "cascade", "act"],
)
def test_spaces_are_ranges_of_what_exists(family: str) -> None:
    fields = Recipe.__dataclass_fields__
    for each in read_parameters(family):
        assert 0 <= each.low < each.high and each.part in PARTS and each.sampling in ("linear", "log")
        assert each.sampling == "linear" or each.low > 0
        assert each.part != "recipe" or each.name in fields


def test_a_network_is_searched_for_what_it_has() -> None:
    weights = {"consistency_weight", "diversity_weight", "cost_weight", "consistency_margin", "diversity_margin"}
    assert weights | {"learning_rate", "beta"} == set(names("drn_resnet32"))
    assert "cost_weight" not in names("drn_resnet32", ("cost_weight",))
    assert {"decisiveness_cost", "temperature"} <= set(names("decide_static2"))
    critic = names("decide_chain8", strategy="pragmatic_critic")
    assert "regression_weight" in critic and "decisiveness_cost" not in critic
    with pytest.raises(ValueError, match="Nothing is left to search for basecnn beside what is given"):
        names("basecnn", ("learning_rate", "kernel_decay", "label_smoothing"))


def test_category_weights_are_searched_where_there_are_categories() -> None:
    tiny = {"width_multiplier": 0.0625, "input_shape": (32, 32, 3)}
    without = zoo.get("dmnn50_cifar_n2", classes=10, **tiny)
    assert "category_scale" not in {each.name for each in search_space("dmnn50_cifar_n2", without)}
    with_categories = zoo.get("dmnn50_cifar_n2", **tiny)
    space = {each.name for each in search_space("dmnn50_cifar_n2", with_categories)}
    assert {"category_scale", "resource_scale", "init_open_rate"} <= space
    changed = set_objective_values(with_categories, {"resource_scale": 3.0}).default_objective().get_config()
    assert changed["resource_scale"] == 3.0 and changed["category_scale"] == 1.0


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tf_routing.tuning.tune import tune

    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(ImportError, match=r"keras_tuner.*pip install 'tf_routing\[tune\]'"):
        tune("basecnn", few_digits(), _RECIPE, tmp_path / "search")
    assert not (tmp_path / "search").exists()


def test_the_best_recipe_is_what_was_searched_with_and_the_best_values(tmp_path: Path) -> None:
    recipe = load_recipe("drn_quick").changed(drops=(1, 2), schedule="steps", standardize=False, shift=1)
    space = [Parameter("learning_rate", "recipe", 0.01, 1.0, "log"), Parameter("beta", "network", 0.1, 1.0, "linear")]
    asked = {
        "model": "drn_resnet32",
        "dataset": 'a "folder"\n[arguments]',
        "goal": "val_accuracy",
        "recipe": "C:\\recipes\\mine.toml",
        "recipe_values": json.loads(json.dumps(recipe.describe())),
        "model_arguments": {"width_multiplier": 0.25, "router": 'dense"', "widths": [8, 16], "target": None},
    }
    text = best_recipe(asked, space, {"learning_rate": 1e-05, "beta": 0.5, "score": 0.75})
    (tmp_path / "best.toml").write_text(text, "utf-8")
    best = load_recipe(str(tmp_path / "best.toml"))
    assert best == dataclasses.replace(recipe, name="best", title=best.title, learning_rate=1e-05)
    arguments = read_recipe(str(tmp_path / "best.toml")).values["arguments"]
    assert arguments == {"width_multiplier": 0.25, "router": 'dense"', "widths": [8, 16], "beta": 0.5}
    assert "--set target=null" in text


def test_options_have_the_defaults_of_tune() -> None:
    from tf_routing.tuning.tune import SearchSettings, tune

    parser = argparse.ArgumentParser()
    add_options(parser)
    given = vars(parser.parse_args(["--model", "basecnn", "--output", "new"]))
    settings = SearchSettings()
    shared = ("tuner", "goal", "validation_share", "seed")
    assert {name: given[name] for name in shared} == {name: getattr(settings, name) for name in shared}
    parameters = inspect.signature(tune).parameters
    assert {name: given[name] for name in ("trials", "restart")} == {
        name: parameters[name].default for name in ("trials", "restart")
    }
    assert (settings.tuner, settings.goal, settings.validation_share) == ("random", "val_accuracy", 0.2)
    assert parameters["trials"].default == 20


def search(output: Path, tuner: str, trials: int, recipe: Recipe = _RECIPE) -> list[dict[str, Any]]:
    pytest.importorskip("keras_tuner")
    from tf_routing.tuning.tune import SearchSettings, tune

    leaf = {"channels": [4, 4], "sinks": ["classify"]}
    tree = {"channels": [4, 4, 4], "sinks": ["classify", leaf]}
    settings = SearchSettings(tuner, model_arguments={"tree": tree})
    return tune("decide_chain8", few_digits(), recipe, output, settings, trials=trials)


def test_a_search_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = search(tmp_path / "search", "random", 1)
    both = search(tmp_path / "search", "random", 2)
    assert len(first) == 1 and len(both) == 2
    assert {row["trial"] for row in both} == {1, 2}
    assert first[0] in both and len({row["learning_rate"] for row in both}) == 2
    assert both[0]["score"] == max(row["score"] for row in both) == both[0]["metrics"]["val_accuracy"]
    assert 0 < both[0]["metrics"]["executed_share"] <= 1
    printed = capsys.readouterr().out
    assert "trial 1 of 1: val_accuracy" in printed and "best of 2 trials" in printed
    _assert_written(tmp_path / "search", both)
    with pytest.raises(ValueError, match="holds a run with other arguments: tuner was 'random', now 'hyperband'"):
        search(tmp_path / "search", "hyperband", 2)


def _assert_written(folder: Path, rows: list[dict[str, Any]]) -> None:
    content = json.loads((folder / "trials.json").read_text("utf-8"))
    assert content["trials"] == rows and content["arguments"]["tuner"] == "random"
    with open(folder / "trials.csv", newline="") as file:
        assert [int(row["trial"]) for row in csv.DictReader(file)] == [row["trial"] for row in rows]
    assert (folder / "trials.png").stat().st_size > 10_000
    best = load_recipe(str(folder / "best.toml"))
    assert best.learning_rate == rows[0]["learning_rate"] and (best.epochs, best.batch_size) == (1, 16)


@pytest.mark.heavy
def test_a_search_that_stopped_ends_as_the_uninterrupted_one(tmp_path: Path) -> None:
    for trials in (1, 2):
        both = search(tmp_path / "search", "random", trials)
    assert both == search(tmp_path / "whole", "random", 2)


@pytest.mark.heavy
@pytest.mark.parametrize("tuner", [each for each in TUNERS if each != "random"])
def test_each_tuner_searches(tmp_path: Path, tuner: str) -> None:
    recipe = Recipe("quick", "Epochs", epochs=3, batch_size=16, learning_rate=0.05)
    rows = search(tmp_path / tuner, tuner, 4, recipe=recipe)
    assert len(rows) == 4
    if tuner == "hyperband":
        assert {row["epochs"] for row in rows} <= {1, 2, 3} and min(row["epochs"] for row in rows) < 3
    assert search(tmp_path / tuner, tuner, 4, recipe=recipe) == rows


@pytest.mark.heavy
def test_processes_search_together(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["tune", "--model", "basecnn", "--width_multiplier", "0.125", "--epochs", "1", "--trials", "3"]
    command = [sys.executable, "-m", "tf_routing", *words, "--output", str(tmp_path / "search")]

    def start(name: str) -> subprocess.Popen[str]:
        place = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port), "KERASTUNER_TUNER_ID": name}
        return subprocess.Popen(command, env={**os.environ, **place}, stdout=subprocess.PIPE, text=True)

    chief = start("chief")
    while not (tmp_path / "search" / "run.json").exists():
        assert chief.poll() is None
        time.sleep(0.1)
    workers = [start(name) for name in ("tuner0", "tuner1")]
    printed = [process.communicate()[0] for process in (*workers, chief)]
    assert [process.returncode for process in (*workers, chief)] == [0, 0, 0]
    assert all("the chief writes them to" in text for text in printed[:2]) and "3 trials are in" in printed[2]
    found = json.loads((tmp_path / "search" / "trials.json").read_text("utf-8"))["trials"]
    assert sorted(row["trial"] for row in found) == [1, 2, 3]
    assert (tmp_path / "search" / "best.toml").exists()


def test_a_worker_waits_for_no_chief_that_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner0")
    words = ["tune", "--model", "basecnn", "--width_multiplier", "0.125", "--output", str(tmp_path / "search")]
    assert main(words) == 1
    assert "holds no search yet: start its chief first" in capsys.readouterr().err
    assert not (tmp_path / "search").exists()
