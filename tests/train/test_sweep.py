"""Recipes that extend others and train several networks; a sweep that stopped goes on."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.prepared_data import load_or_skip
from tf_routing import data
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet
from tf_routing.train.recipes.recipe import list_recipes, load_recipe
from tf_routing.train.recipes.recipe_files import read_recipe
from tf_routing.train.recipes.sweep import Sweep, choose_runs, make_sweep

pytestmark = pytest.mark.usefixtures("eagerly")

_TEXT = """
extends = "decide/training"
epochs = 1
steps_per_epoch = 2
batch_size = 8
[runs]
dataset = "digits"
model = "decide_tree"
each = { computation_cost = [0.0, 8e-9] }
[runs.arguments]
temperature_half_life = 5
# Two columns, for speed.
tree = { channels = [4, 4], sinks = ["classify", { channels = [4], sinks = ["classify"] }] }
"""
_OF_THE_CODE = "decide/hybrid_actor_slow_cooling"
_DECIDE = [name for name in list_recipes() if name.startswith("decide/") and name != "decide/training"]


@pytest.fixture(scope="module", autouse=True)
def _few_digits() -> Iterator[None]:
    load = data.load

    def few(*arguments: Any) -> Dataset:
        whole = load(*arguments)
        train, test = (ImageSet(part.images[:64], part.labels[:64]) for part in (whole.train, whole.test))
        return whole._replace(train=train, test=test)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", few)
        yield


def load_sweep(name: str, scale: str = "paper") -> Sweep:
    sweep = make_sweep(read_recipe(name, scale))
    assert sweep is not None
    return sweep


def written(folder: Path, text: str = _TEXT) -> str:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_the_papers_experiments_are_161_runs() -> None:
    # The temperature of the authors' code is beside the paper's.
    counts = {name: len(load_sweep(name).runs) for name in _DECIDE if name != _OF_THE_CODE}
    assert len(counts) == 21 and sum(counts.values()) == 161 and Counter(counts.values())[8] == 20


@pytest.mark.parametrize("name", _DECIDE)
def test_runs_of_an_experiment_have_folders_of_their_own(name: str) -> None:
    for scale in ("paper", "quick"):
        recipe, runs = load_recipe(name, scale), load_sweep(name, scale).runs
        assert len({run.folder for run in runs}) == len(runs)
        assert recipe.kernel_decay == 0 and not recipe.standardize
    paper = load_recipe(name)
    assert (paper.epochs * paper.steps_per_epoch, paper.half_life_steps, paper.batch_size) == (80_000, 10_000, 128)


def test_wider_networks_pay_less_for_an_operation() -> None:
    costs = {
        width: [run.arguments["computation_cost"] for run in load_sweep(f"decide/cifar10{width}_actor").runs]
        for width in ("", "_x2", "_x3")
    }
    np.testing.assert_allclose(np.array(costs["_x2"]) * 4, costs[""])
    np.testing.assert_allclose(np.array(costs["_x3"]) * 9, costs[""])


def test_a_scale_changes_what_it_names_and_its_arguments_reach_every_run() -> None:
    paper, quick = load_recipe("decide/hybrid_actor"), load_recipe("decide/hybrid_actor", "quick")
    assert quick.name == "decide/hybrid_actor, quick" and quick.learning_rate == paper.learning_rate
    # Both half-lives are shortened by what the steps are.
    share = quick.epochs * quick.steps_per_epoch / (paper.epochs * paper.steps_per_epoch)
    assert quick.half_life_steps == pytest.approx(10_000 * share)
    lives = {run.arguments["temperature_half_life"] for run in load_sweep("decide/hybrid_actor", "quick").runs}
    assert lives == {10_000 * share}


def test_a_scale_extends_the_scale_of_the_file_below() -> None:
    of_the_paper, of_the_code = load_sweep("decide/hybrid_actor", "quick"), load_sweep(_OF_THE_CODE, "quick")
    twice = [{**run.arguments, "temperature_half_life": 320} for run in of_the_paper.runs]
    assert [run.arguments for run in of_the_code.runs] == twice
    assert {run.arguments["temperature_half_life"] for run in load_sweep(_OF_THE_CODE).runs} == {20_000}
    quick, other = load_recipe("decide/hybrid_actor", "quick"), load_recipe(_OF_THE_CODE, "quick")
    assert dataclasses.replace(other, name=quick.name) == quick


def test_the_rate_halves() -> None:
    rates = load_recipe("decide/training").learning_rates(2500)
    assert [float(rates(step)) for step in (0, 10_000, 20_000)] == pytest.approx([0.1, 0.05, 0.025])


def test_chosen_runs_are_counted_from_one() -> None:
    sweep = load_sweep("decide/hybrid_static")
    assert [run.model for run in choose_runs(sweep, [2, 8])] == ["decide_static2", "decide_static8"]
    assert choose_runs(sweep, None) == sweep.runs
    with pytest.raises(ValueError, match="`runs` must be numbers from 1 to 8. Received: 9"):
        choose_runs(sweep, [9])


def test_a_sweep_trains_each_value_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, output = written(tmp_path), str(tmp_path / "runs")
    assert main(["fit", "--recipe", recipe, "--runs", "2", "--output", output]) == 0
    second = tmp_path / "runs" / "computation_cost_8e-09"
    before = (second / "model.keras").stat().st_mtime_ns
    capsys.readouterr()
    assert main(["fit", "--recipe", recipe, "--output", output]) == 0
    assert f"{second} is finished; nothing to do." in capsys.readouterr().out
    assert (second / "model.keras").stat().st_mtime_ns == before
    records = [_record(tmp_path / "runs" / folder) for folder in ("computation_cost_0.0", second.name)]
    assert [record["arguments"]["model_arguments"]["computation_cost"] for record in records] == [0.0, 8e-9]
    for record in records:
        taken = np.array([[each["correct"], each["incorrect"]] for each in record["final"]["exits"].values()])
        assert taken.sum() == record["arguments"]["test_images"] and taken.shape == (2, 2, 10)
        assert taken[:, 0].sum() / taken.sum() == pytest.approx(1 - record["final"]["error"])
        assert record["final"]["mean_macs"] == pytest.approx(record["final"]["executed_macs"]["mean"])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a network that is told the cost."""
    folder = tmp_path_factory.mktemp("told")
    text = _TEXT.replace("each = { computation_cost = [0.0, 8e-9] }", "") + "dynamic_cost = true\n"
    assert main(["fit", "--recipe", written(folder, text), "--output", str(folder / "runs")]) == 0
    return folder / "runs" / "default"


def test_a_network_that_is_told_the_cost_is_measured_at_each(told: Path) -> None:
    rows = _record(told)["final"]["by_cost"]
    assert [row["computation_cost"] for row in rows] == [0.0, 1e-9, 2e-9, 4e-9, 8e-9, 1.6e-8, 3.2e-8, 6.4e-8]


def _record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text("utf-8"))


def test_evaluation_tells_each_cost_and_shows_the_exits(
    told: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    output = tmp_path / "results.json"
    words = ["evaluate", str(told), "--dataset", "digits", "--rounds", "1", "--output", str(output)]
    assert main(words) == 0
    found, final = json.loads(output.read_text("utf-8")), _record(told)["final"]
    assert found["by_cost"] == final["by_cost"] and len(found["by_cost"]) == 8
    assert found["accuracy"] == pytest.approx(final["accuracy"], abs=0.1) and len(found["times"]) == 3
    shown = capsys.readouterr().out
    assert shown.count("exit_1") == 8 and "At a cost of 8e-09: error" in shown


def test_a_named_network_takes_the_recipes_training_alone(tmp_path: Path) -> None:
    command = ["fit", "--model", "decide_static1", "--recipe", written(tmp_path), "--width_multiplier", "0.25"]
    assert main([*command, "--output", str(tmp_path / "run")]) == 0
    assert _record(tmp_path / "run")["arguments"]["dataset"] == "digits"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "quick"], "`model` must be given: the recipe quick names none"),
        (["--recipe", "decide/hybrid_aktor"], "Did you mean: decide/hybrid_actor"),
        (["--recipe", "quick", "--model", "basecnn", "--scale", "quick"], "`scale` must be 'paper' for quick"),
        (["--recipe", "decide/hybrid_actor", "--runs", "9"], "`runs` must be numbers from 1 to 8"),
    ],
)
def test_wrong_commands_say_what_is_wrong(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *arguments, "--output", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("each = {", "eahc = {", "Unknown key of runs 'eahc'. Did you mean: each"),
        ('dataset = "digits"', "", "lacks a model or a dataset"),
        ('model = "decide_tree"', "", "lacks a model or a dataset"),
    ],
)
def test_wrong_tables_of_runs(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_sweep(written(tmp_path, _TEXT.replace(old, new)))


@pytest.mark.heavy
def test_the_hybrid_set_trains_with_its_recipe(tmp_path: Path) -> None:
    load_or_skip("hybrid")
    text = _TEXT.replace('"digits"', '"hybrid"').replace("[0.0, 8e-9]", "[8e-9]")
    assert main(["fit", "--recipe", written(tmp_path, text), "--output", str(tmp_path / "runs")]) == 0
