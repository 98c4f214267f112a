"""Recipes are the papers', and a wrong one says what is wrong with it."""

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tf_routing import data, zoo
from tf_routing.train.recipes.recipe import Recipe, list_recipes, load_recipe
from tf_routing.train.recipes.recipe_files import read_recipe

_STEPS = 391


def recipe(**values: Any) -> Recipe:
    return Recipe("mine", "A recipe", **{"epochs": 10, "batch_size": 8, "learning_rate": 0.1, **values})


def rate(schedule: Any, step: int) -> float:
    return float(schedule(step))


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "epochs", "batch_size", "drops"),
    [
        ("multipath_cnn", 200, 128, (80, 150)),
        ("multipath_cnn_long", 350, 128, (150, 250)),
        ("multipath_resnet", 350, 64, (150, 250)),
    ],
)
def test_recipes_of_the_paper(name: str, epochs: int, batch_size: int, drops: tuple[int, ...]) -> None:
    loaded = load_recipe(name)
    assert (loaded.epochs, loaded.batch_size, loaded.drops) == (epochs, batch_size, drops)
    assert (loaded.learning_rate, loaded.drop_factor, loaded.momentum) == (0.1, 10, 0.9)
    assert (loaded.schedule, loaded.shift, loaded.mirror, loaded.label_smoothing) == ("steps", 4, True, 0)


@pytest.mark.parametrize(
    ("name", "epochs", "drops", "first_classes"),
    [("multipath_imagenet", 120, (30, 60, 90), None), ("multipath_imagenet100", 90, (30, 60), 100)],
)
def test_recipes_of_the_paper_for_imagenet(
    name: str, epochs: int, drops: tuple[int, ...], first_classes: int | None
) -> None:
    loaded = load_recipe(name)
    assert (loaded.epochs, loaded.batch_size, loaded.drops, loaded.drop_factor) == (epochs, 256, drops, 10)
    assert (loaded.learning_rate, loaded.momentum, loaded.nesterov, loaded.kernel_decay) == (0.1, 0.9, False, 1e-4)
    assert (loaded.image_size, loaded.resize, loaded.random_size_crop) == (224, 256, False)
    assert (loaded.shift, loaded.mirror, loaded.first_classes) == (0, True, first_classes)


@pytest.mark.parametrize(("name", "decay"), [("dmnn_imagenet", 1e-4), ("dmnn_mobilenetv2", 4e-5)])
def test_recipes_of_the_dynamic_multi_path_paper(name: str, decay: float) -> None:
    loaded = load_recipe(name)
    assert (loaded.epochs, loaded.batch_size, loaded.schedule, loaded.warmup_epochs) == (120, 256, "cosine", 0)
    assert (loaded.momentum, loaded.nesterov, loaded.kernel_decay) == (0.9, True, decay)
    assert (loaded.image_size, loaded.random_size_crop, loaded.shift, loaded.mirror) == (224, True, 0, True)
    rates = loaded.learning_rates(_STEPS)
    assert [rate(rates, epoch * _STEPS) for epoch in (0, 60, 120)] == pytest.approx([0.1, 0.05, 0], abs=1e-6)


def test_the_dynamic_multi_path_recipe_for_cifar() -> None:
    loaded = load_recipe("dmnn_cifar")
    assert (loaded.epochs, loaded.batch_size, loaded.drops, loaded.drop_factor) == (200, 256, (100, 150), 10)
    assert (loaded.learning_rate, loaded.momentum, loaded.nesterov, loaded.kernel_decay) == (0.1, 0.9, False, 1e-4)
    assert (loaded.image_size, loaded.random_size_crop, loaded.shift, loaded.mirror) == (None, False, 4, True)


def test_recipes_of_the_paper_on_diverse_routes() -> None:
    for name, image_size in (("drn_cifar", None), ("drn_tinyimagenet", 64)):
        loaded = load_recipe(name)
        assert (loaded.epochs, loaded.batch_size, loaded.copies, loaded.frozen_epochs) == (250, 128, 4, 0)
        assert (loaded.learning_rate, loaded.drops, loaded.drop_factor) == (0.1, (150, 200), 10)
        assert (loaded.momentum, loaded.nesterov, loaded.kernel_decay) == (0.9, False, 1e-4)
        assert (loaded.image_size, loaded.random_size_crop, loaded.shift, loaded.mirror) == (image_size, False, 4, True)


def test_the_recipe_of_the_later_public_code() -> None:
    loaded, arguments = load_recipe("drn_codinet"), read_recipe("drn_codinet").values["arguments"]
    assert (loaded.epochs, loaded.drops, loaded.frozen_epochs, loaded.copies) == (220, (60, 85), 20, 4)
    assert arguments["consistency_weight"] == arguments["diversity_weight"] > 0
    model = zoo.get("drn_resnet32", width_multiplier=0.125, **arguments)
    objective = model.default_objective()
    assert (objective.entries, objective.target_blocks, objective.regularization_weight) == ("both", 16.0, 0.0)
    routers = [model.get_layer(name) for name in model.decision_names]
    assert {(each.hidden, each.hidden_activation, each.beta) for each in routers} == {("channels", "linear", 25.0)}
    assert len(routers) == 15


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0.1), (79.5, 0.1), (80.5, 0.01), (149.5, 0.01), (150.5, 0.001), (199.5, 0.001)]
)
def test_steps_divide_the_rate(epoch: float, expected: float) -> None:
    rates = load_recipe("multipath_cnn").learning_rates(_STEPS)
    assert rate(rates, int(epoch * _STEPS)) == pytest.approx(expected)


def test_the_rate_drops_with_the_first_step_after_the_epoch() -> None:
    rates = load_recipe("multipath_cnn").learning_rates(_STEPS)
    assert rate(rates, 80 * _STEPS - 1) == pytest.approx(0.1)
    assert rate(rates, 80 * _STEPS) == pytest.approx(0.01)
    assert rate(rates, 150 * _STEPS - 1) == pytest.approx(0.01)
    assert rate(rates, 150 * _STEPS) == pytest.approx(0.001)


def test_no_drops_is_a_constant_rate() -> None:
    assert recipe().learning_rates(10) == 0.1


def test_drop_factor() -> None:
    rates = recipe(drops=(2, 4), drop_factor=5.0).learning_rates(10)
    assert [rate(rates, step) for step in (5, 25, 45)] == pytest.approx([0.1, 0.02, 0.004])


def test_cosine_with_warm_up() -> None:
    rates = recipe(schedule="cosine", warmup_epochs=2.0).learning_rates(10)
    # 20 steps of warm-up, then 80 of cosine: its middle, half the rate, is step 60; a quarter of it, step 40.
    expected = {0: 0.0, 5: 0.025, 10: 0.05, 20: 0.1, 40: 0.0853553, 60: 0.05, 100: 0.0}
    assert [rate(rates, step) for step in expected] == pytest.approx(list(expected.values()), abs=1e-7)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"schedule": "halving", "half_life_steps": 40.0}, {0: 0.0, 10: 0.05 / 2**0.25, 20: 0.1 / 2**0.5, 80: 0.025}),
        ({"drops": (4,)}, {0: 0.0, 10: 0.05, 20: 0.1, 39: 0.1, 40: 0.01}),
        ({}, {0: 0.0, 10: 0.05, 20: 0.1, 99: 0.1}),
    ],
)
def test_other_schedules_with_warm_up(values: dict[str, Any], expected: dict[int, float]) -> None:
    rates = recipe(warmup_epochs=2.0, **values).learning_rates(10)
    restored = type(rates).from_config(rates.get_config())
    for rising in (rates, restored):
        assert [rate(rising, step) for step in expected] == pytest.approx(list(expected.values()), abs=1e-7)


def test_a_triangle_rises_in_its_warm_up_and_falls_in_the_rest() -> None:
    rates = recipe(schedule="triangular", warmup_epochs=2.0).learning_rates(10)
    # Twenty steps up, eighty down.
    expected = {0: 0.0, 10: 0.05, 20: 0.1, 40: 0.075, 60: 0.05, 99: 0.00125, 100: 0.0}
    assert [rate(rates, step) for step in expected] == pytest.approx(list(expected.values()), abs=1e-7)
    # It rises to the end where warm-up takes all epochs, as in other schedules.
    rates = recipe(schedule="triangular", warmup_epochs=12.0).learning_rates(10)
    assert [rate(rates, step) for step in (0, 60, 100)] == pytest.approx([0, 0.05, 0.1 * 100 / 120], abs=1e-7)


def test_cosine_without_warm_up() -> None:
    rates = recipe(schedule="cosine").learning_rates(10)
    assert [rate(rates, step) for step in (0, 50, 100)] == pytest.approx([0.1, 0.05, 0.0], abs=1e-7)


def test_an_unknown_name_lists_close_matches() -> None:
    with pytest.raises(ValueError, match=r"Unknown recipe 'multipath_cn'. Did you mean: .*multipath_cnn"):
        load_recipe("multipath_cn")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("none.toml", FileNotFoundError, r"No recipe file none\.toml. `tf-routing fit --help` names all"),
        ("quick.toml", FileNotFoundError, "Did you mean the recipe 'quick', without an ending"),
        ("nothing_like_it_at_all", ValueError, "none of the [0-9]+ known is close. `tf-routing fit --help` names all"),
    ],
)
def test_a_recipe_that_is_not_there(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_recipe(name)


def test_a_file_without_its_ending_is_meant(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Did you mean the file .*mine\.toml\?"):
        load_recipe(written(tmp_path, "epochs = 3").removesuffix(".toml"))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    text = 'title = "Mine"\nepochs = 3\nbatch_size = 8\nlearning_rate = 0.2\ndrops = [1, 2]\n'
    loaded = load_recipe(written(tmp_path, text))
    assert loaded == Recipe("mine", "Mine", epochs=3, batch_size=8, learning_rate=0.2, drops=(1, 2))


@pytest.mark.parametrize("lines", ["epochs = 3", "epochs = 3\nmomentum = 0.5\nbatch_size = 8", ""])
def test_a_partial_recipe_is_the_default_one_with_what_it_says(lines: str, tmp_path: Path) -> None:
    partial, default = load_recipe(written(tmp_path, lines)), load_recipe("quick")
    said = tomllib.loads(lines)
    assert partial == dataclasses.replace(default, name="mine", title="mine, filled from quick", **said)
    extending = load_recipe(written(tmp_path, f'extends = "quick"\n{lines}'))
    assert dataclasses.replace(extending, title=partial.title) == partial


def test_a_title_is_not_needed(tmp_path: Path) -> None:
    loaded = load_recipe(written(tmp_path, "epochs = 3\nbatch_size = 8\nlearning_rate = 0.2\n"))
    assert loaded == Recipe("mine", "mine", epochs=3, batch_size=8, learning_rate=0.2)


def test_a_path_that_is_extended_is_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "base.toml").write_text("epochs = 7", "utf-8")
    (tmp_path / "below" / "middle.toml").write_text('extends = "base.toml"\nshift = 1', "utf-8")
    loaded = load_recipe(written(tmp_path, 'extends = "below/middle.toml"\nbatch_size = 4'))
    assert (loaded.epochs, loaded.shift, loaded.batch_size) == (7, 1, 4)
    assert loaded.learning_rate == load_recipe("quick").learning_rate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "mine.toml"', "extends itself: .*mine.toml -> .*mine.toml"),
        ("extends = 3", "`extends` must be the name or the path of a recipe. Received: 3"),
        ("epochs =", "mine.toml is not TOML: .*at end of document"),
        ("quick = 3", r"`quick` must be a table, \[quick\]. Received: 3"),
        ("epochs = 3.5", "Recipe mine: `epochs` must be an integer. Received: epochs=3.5"),
    ],
)
def test_a_wrong_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_recipe(written(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "message"), [("epoch = 3", "Unknown key 'epoch'. Did you mean: epochs"), ('name = "x"', "'name'")]
)
def test_an_unknown_key_is_named(line: str, message: str, tmp_path: Path) -> None:
    text = f'title = "Mine"\nepochs = 3\nbatch_size = 8\nlearning_rate = 0.2\n{line}\n'
    with pytest.raises(ValueError, match=message):
        load_recipe(written(tmp_path, text))


def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        load_recipe(written(tmp_path, "epochs: 3"))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", -1),
        ("batch_size", True),
        ("learning_rate", 0),
        ("learning_rate", "0.1"),
        ("schedule", "linear"),
        ("nesterov", "yes"),
        ("random_size_crop", None),
        ("image_size", 0),
        ("image_size", 2.5),
        ("first_classes", 0),
        ("resize", 0),
        ("copies", 0),
        ("copies", 2.0),
        ("frozen_epochs", -1),
        ("frozen_epochs", 1.5),
        ("frozen_learning_rate", 0),
        ("learning_rate", float("inf")),
        ("kernel_decay", float("nan")),
        ("momentum", 1.0),
        ("label_smoothing", 1),
        ("drops", (0, 3)),
        ("drops", (1.5,)),
        ("drops", (3, 2)),
        ("shift", 0.5),
        ("mirror", 1),
        ("alternate_mirror", 1),
        ("alternate_mirror", "yes"),
    ],
)
def test_a_wrong_value_is_named_and_shown(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}={re.escape(repr(value))}"):
        recipe(**{argument: value})


def test_records_of_runs_lack_what_earlier_versions_lacked_where_it_changes_nothing() -> None:
    described = recipe().describe()
    assert set(described) == {field.name for field in dataclasses.fields(Recipe)} - {"alternate_mirror", "precision"}
    assert (described["epochs"], described["mirror"]) == (10, True)
    changed = recipe(alternate_mirror=True, precision="mixed_bfloat16")
    assert changed.describe() == dataclasses.asdict(changed)


def test_no_image_is_shifted_out_of_sight() -> None:
    digits = data.load("digits")
    assert recipe(shift=31).prepared(digits).image_shape == (32, 32, 3)
    with pytest.raises(ValueError, match="`shift` must be below the size of images, 32x32, .* Received: shift=32"):
        recipe(shift=32).prepared(digits)


def test_a_size_before_cropping_may_come_without_that_of_the_network() -> None:
    assert recipe(resize=40).resize == 40
    with pytest.raises(ValueError, match="`resize` must be at least what is cut out, image_size=64"):
        recipe(resize=40, image_size=64)


def test_copies_divide_a_batch() -> None:
    assert recipe(batch_size=12, copies=4).copies == 4
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of copies=3. Received: batch_size=8"):
        recipe(copies=3)


@pytest.mark.parametrize("name", list_recipes())
def test_recipes_of_the_library_load_and_say_what_they_train(name: str) -> None:
    loaded = load_recipe(name)
    assert loaded.name == name
    assert loaded.title
    assert all(0 < epoch < loaded.epochs for epoch in loaded.drops)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_architecture_names_a_recipe_that_exists(name: str) -> None:
    assert zoo.card(name).recipe in (None, *list_recipes())


def _rows(file: str) -> list[dict[str, Any]]:
    return json.loads(resources.files("tf_routing.zoo").joinpath(file).read_text("utf-8"))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


@pytest.mark.parametrize("name", [name for name in list_recipes() if name != "decide/training"])
def test_a_recipe_states_what_to_expect_with_numbers_that_are_data(name: str) -> None:
    text = resources.files("tf_routing.train").joinpath("recipes", f"{name}.toml").read_text("utf-8")
    comment = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    model = re.search(r"--model (\S+)", comment)
    expected = comment.partition("Expected")[2].partition("Assumed")[0]
    accuracies, minutes = re.findall(r"\b0\.\d{3,4}\b", expected), re.findall(r"\bin (\d+) ", expected)
    errors = re.findall(r"([\d.]+) %", expected)
    assert accuracies or errors or "not run here" in expected
    measured = [row for row in _rows("measured.json") if row["recipe"].partition(",")[0] == name]
    assert set(map(float, accuracies)) <= {round(row["accuracy"], 4) for row in measured}
    assert set(map(int, minutes)) <= {round(row["seconds"] / 60) for row in measured}
    reported = [row for row in _rows("reported.json") if model and row["architecture"] == model[1]]
    keys = ("error_percent", "operating_points")
    assert set(map(float, errors)) <= {number for row in reported for key in keys for number in _numbers(row.get(key))}
