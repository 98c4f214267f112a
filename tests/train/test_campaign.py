"""Campaigns: order and names of trainings by hand, results by hand, and one that trains real digits and goes on."""

import dataclasses
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.few_layers import few_layers
from tests.train.kill_harness import differences, start_process, untimed_log
from tf_routing import zoo
from tf_routing.cli.main import main
from tf_routing.runs.seeds import summarize
from tf_routing.train import fit as fit_module
from tf_routing.train.campaigns.campaign import check_arguments, missing_trainings
from tf_routing.train.campaigns.campaign_file import load_campaign
from tf_routing.train.campaigns.campaign_results import add_result, check_results, read_results
from tf_routing.train.recipes.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("eagerly")

_ROOT = Path(__file__).parents[2]
_TEXT = """
title = "Two comparisons"
[[comparisons]]
name = "paths"
dataset = "digits"
recipe = "quick"
epochs = 1
seeds = [0, 1]
arguments = { width_multiplier = 0.125 }
networks = [{ model = "basecnn" }, { model = "basecnn_2cc", arguments = { hidden = 4 } }]
[[comparisons]]
name = "large"
dataset = "cifar10"
recipe = "drn_cifar"
seeds = [3]
where = ["gpu"]
networks = [{ model = "drn_resnet110", label = "drn", epochs = 7 }]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return str(path)

    return write


def record(accuracy: float, seconds: float = 60.0) -> dict[str, object]:
    recipe = json.loads(json.dumps(dataclasses.asdict(load_recipe("quick").changed(epochs=1))))
    arguments = {"model_arguments": {"hidden": 4}, "recipe": recipe, "train_images": 10}
    times = {"seconds": 2 * seconds, "processor_seconds": seconds, "started": "2026-01-01T00:00:00+00:00"}
    return {"arguments": arguments, **times, "continued_at_step": [3], "final": {"accuracy": accuracy, "exits": {}}}


def test_every_network_has_its_first_seed_before_any_has_its_second(written: Callable[[str], str]) -> None:
    trainings = load_campaign(written(_TEXT)).trainings
    assert [training.folder for training in trainings] == [
        "paths/basecnn/seed_0",
        "paths/basecnn_2cc_hidden_4/seed_0",
        "paths/basecnn/seed_1",
        "paths/basecnn_2cc_hidden_4/seed_1",
        "large/drn/seed_3",
    ]
    assert trainings[1].arguments == {"width_multiplier": 0.125, "hidden": 4} and trainings[1].epochs == 1
    assert (trainings[4].epochs, trainings[4].recipe, trainings[4].where) == (7, "drn_cifar", ("gpu",))


def test_the_documented_campaign_is_one(written: Callable[[str], str]) -> None:
    page = _ROOT.joinpath("docs/training.md").read_text("utf-8")
    lines = page[page.index("    title = ") :].splitlines()
    example = "\n".join(itertools.takewhile(lambda line: not line or line.startswith("    "), lines))
    trainings = load_campaign(written(example)).trainings
    assert [training.folder for training in trainings][:3] == [
        "paths/basecnn/seed_0",
        "paths/small router/seed_0",
        "paths/basecnn/seed_1",
    ]
    assert len(trainings) == 6 and dict(trainings[1].arguments) == {"hidden": 8}


def test_what_has_a_result_or_runs_elsewhere_is_not_missing(tmp_path: Path, written: Callable[[str], str]) -> None:
    campaign, file = load_campaign(written(_TEXT)), tmp_path / "mine.json"
    add_result(file, campaign.trainings[1], record(0.5), {"processor": "a"})
    assert [training.seed for training in missing_trainings(campaign, read_results(file), "cpu")] == [0, 1, 1]
    assert [training.label for training in missing_trainings(campaign, read_results(file), "gpu")][-1] == "drn"


def test_a_result_is_kept_once(tmp_path: Path, written: Callable[[str], str]) -> None:
    first, second = load_campaign(written(_TEXT)).trainings[1:3]
    file = tmp_path / "mine.json"
    for training, accuracy in ((first, 0.5), (second, 0.75), (first, 0.25)):
        add_result(file, training, record(accuracy), {})
    rows = read_results(file)
    assert [(row["label"], row["final"]) for row in rows] == [
        ("basecnn", {"accuracy": 0.75}),
        ("basecnn_2cc_hidden_4", {"accuracy": 0.25}),
    ]
    assert rows[0]["pieces"] == 2 and rows[0]["processor_seconds"] == 60


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 1", "epochs = 2", "epochs was 1, now 2"),
        ('dataset = "digits"', 'dataset = "cifar10"', "dataset was 'digits', now 'cifar10'"),
        ('dataset = "digits"', 'dataset = "digits"\ncalibration_share = 0.2', "calibration_share was None, now 0.2"),
        ("width_multiplier = 0.125", "width_multiplier = 0.25", "width_multiplier was 0.125, now 0.25"),
        ("width_multiplier = 0.125", "width_multiplier = 0.125, paths = 3", "paths was None, now 3"),
    ],
)
def test_a_result_counts_only_for_what_was_trained(
    tmp_path: Path, written: Callable[[str], str], old: str, new: str, message: str
) -> None:
    trainings, file = load_campaign(written(_TEXT)).trainings, tmp_path / "mine.json"
    trained = record(0.5)
    trained["arguments"] |= {"model_arguments": {"width_multiplier": 0.125, "hidden": 4}}  # type: ignore[operator]
    add_result(file, trainings[1], trained, {})
    check_results(file, read_results(file), trainings)
    changed = load_campaign(written(_TEXT.replace(old, new))).trainings
    with pytest.raises(ValueError) as refused:
        check_results(file, read_results(file), changed)
    assert message in str(refused.value) and "paths/basecnn_2cc_hidden_4/seed_0" in str(refused.value)


_RECIPE = "epochs = 1\nbatch_size = 32\nlearning_rate = 0.1\ndrops = [3]\n"


def test_a_result_counts_only_for_what_the_recipe_said(tmp_path: Path, written: Callable[[str], str]) -> None:
    recipe, file = tmp_path / "own.toml", tmp_path / "mine.json"
    recipe.write_text(_RECIPE, "utf-8")
    text = _TEXT.replace('recipe = "quick"\nepochs = 1', f'recipe = "{recipe}"')

    def check() -> None:
        check_results(file, read_results(file), load_campaign(written(text)).trainings)

    trained = load_campaign(written(text)).trainings[0]
    settings = json.loads(json.dumps(dataclasses.asdict(trained.settings.changed(image_size=8))))
    arguments = {"model_arguments": dict(trained.arguments), "recipe": settings, "train_images": 10}
    add_result(file, trained, {**record(0.5), "arguments": arguments}, {})
    # The dataset decides on the size that the recipe leaves open.
    check()
    (row,) = read_results(file)
    assert row["settings"]["drops"] == [3] and row["settings"]["momentum"] == 0.9 and "title" not in row["settings"]
    recipe.write_text(_RECIPE.replace("32", "64") + "title = 'Renamed'\n", "utf-8")
    with pytest.raises(ValueError, match="trained otherwise: batch_size was 32, now 64. Give"):
        check()
    recipe.write_text(_RECIPE + "momentum = 0.5\n", "utf-8")
    # Of a recipe that knew no momentum yet, 0.9 was it.
    del row["settings"]["momentum"]
    file.write_text(json.dumps([row]), "utf-8")
    with pytest.raises(ValueError, match="trained otherwise: momentum was 0.9, now 0.5. Give"):
        check()
    # Of rows that do not hold the recipe yet, its epochs are known.
    del row["settings"]
    file.write_text(json.dumps([row]), "utf-8")
    check()
    recipe.write_text(_RECIPE.replace("epochs = 1", "epochs = 2"), "utf-8")
    with pytest.raises(ValueError, match="trained otherwise: epochs was 1, now 2. Give"):
        check()


def test_arguments_of_a_recipe_come_before_those_of_the_campaign(written: Callable[[str], str]) -> None:
    text = _TEXT.replace('"quick"\nepochs = 1', '"decide/training"\nscale = "quick"')
    assert load_campaign(written(text)).trainings[1].arguments == {
        "temperature_half_life": 160,
        "width_multiplier": 0.125,
        "hidden": 4,
    }
    other = text.replace("hidden = 4", "temperature_half_life = 7")
    assert load_campaign(written(other)).trainings[1].arguments["temperature_half_life"] == 7


def test_accuracies_of_three_seeds_by_hand() -> None:
    best, mean, deviation = summarize([{"final": {"accuracy": value}} for value in (0.7, 0.9, 0.8)])
    assert (best, mean) == (0.9, pytest.approx(0.8)) and deviation == pytest.approx(0.1)
    assert summarize([{"final": {"accuracy": 0.7}}]).deviation is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", "Unknown key 'titel'. Did you mean: title?"),
        ("seeds = [0, 1]", "seeds = []", "lacks seeds"),
        ("seeds = [0, 1]", "seeds = [1, 1]", "`seeds` must differ. Received: seeds=[1, 1]"),
        ("seeds = [0, 1]", "seeds = [-1]", "`seeds` must be an integer of at least zero. Received: seeds=-1"),
        ('where = ["gpu"]', 'where = ["tpu"]', "`where` must be one of 'cpu', 'gpu'. Received: where='tpu'"),
        ('model = "basecnn" }', 'model = "basecn" }', "Unknown architecture 'basecn'. Did you mean: basecnn"),
        ('recipe = "quick"', 'recipe = "quik"', "Unknown recipe 'quik'. Did you mean: quick"),
        ("epochs = 7", "epochs = 0", "`epochs` must be a positive integer. Received: epochs=0"),
        ("epochs = 7", "epoch = 7", "Unknown key of networks 'epoch'. Did you mean: epochs?"),
        ("arguments = { hidden = 4 }", 'label = "basecnn"', "two trainings are called paths/basecnn/seed_0"),
        ("[[comparisons]]", "[[comparisons", "is no TOML file"),
        ("seeds = [0, 1]", "seeds = 3", "`seeds` must be a list. Received: seeds=3"),
        (
            "epochs = 1",
            "calibration_share = 1",
            "`calibration_share` must be between 0 and 1. Received: calibration_sh",
        ),
        ('where = ["gpu"]', 'where = "gpu"', "`where` must be a list. Received: where='gpu'"),
        (
            '[{ model = "basecnn" }, ',
            '["basecnn", ',
            "`networks` must be a list of tables. Received: networks=['basecnn'",
        ),
        ("{ width_multiplier = 0.125 }", "0.125", "`arguments` must be a table. Received: arguments=0.125"),
        ('"Two comparisons"', "2", "`title` must be text. Received: title=2"),
        (
            'name = "paths"',
            'name = "../paths"',
            "`name` must be fit for the name of a folder. Received: name='../paths'",
        ),
        ('label = "drn"', 'label = ".."', "`label` must be fit for the name of a folder. Received: label='..'"),
    ],
)
def test_a_wrong_file_is_refused_by_name(written: Callable[[str], str], old: str, new: str, message: str) -> None:
    assert old in _TEXT
    with pytest.raises(ValueError) as refused:
        load_campaign(written(_TEXT.replace(old, new)))
    assert message in str(refused.value)


def test_an_argument_that_a_network_does_not_take_is_told_before_any_trains(
    tmp_path: Path, written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(_TEXT.replace("hidden = 4", "hiden = 4"))
    assert main(["campaign", path, "--output", str(tmp_path / "runs")]) == 1
    assert "paths, basecnn_2cc_hiden_4: Unknown argument 'hiden'. Did you mean: hidden" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/paths/*"))


def test_a_campaign_trains_what_is_missing(
    tmp_path: Path, written: Callable[[str], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few_layers(monkeypatch)
    path, output = written(_TEXT.replace("seeds = [0, 1]", "seeds = [0]")), tmp_path / "runs"
    words = ["campaign", path, "--output", str(output)]
    assert main([*words, "--next"]) == 0
    (row,) = read_results(tmp_path / "mine.json")
    kept = json.loads((output / "paths/basecnn/seed_0/run.json").read_text("utf-8"))
    assert row["final"]["accuracy"] == kept["final"]["accuracy"] and row["label"] == "basecnn"
    assert row["processor_seconds"] == kept["processor_seconds"] > 0
    # A result that was lost comes back from the finished run, which is not trained again.
    log = untimed_log(output / "paths/basecnn/seed_0")
    (tmp_path / "mine.json").unlink()
    assert main(words) == 0
    rows = read_results(tmp_path / "mine.json")
    assert rows[0]["final"] == row["final"] and untimed_log(output / "paths/basecnn/seed_0") == log
    assert [each["label"] for each in rows] == ["basecnn", "basecnn_2cc_hidden_4"]
    capsys.readouterr()
    assert main([*words, "--status"]) == 0 and main(words) == 0 and main([*words, "--next"]) == 3
    shown = capsys.readouterr().out
    assert "1 of 1" in shown and "0 of 1" in shown and f"{row['final']['accuracy']:.4f}" in shown
    assert "Nothing is missing" in shown


def test_the_status_needs_no_images_and_a_training_asks_for_them_first(
    tmp_path: Path, written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(_TEXT.replace('dataset = "digits"', 'dataset = "cifar10"'))
    words = ["campaign", path, "--data_dir", str(tmp_path / "none"), "--output", str(tmp_path / "runs")]
    assert main([*words, "--status"]) == 0
    assert "0 of 2" in capsys.readouterr().out
    assert main([*words, "--next"]) == 1
    assert "Dataset 'cifar10' is not prepared" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_two_processes_do_not_train_in_one_folder(
    tmp_path: Path, written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    import fcntl

    (tmp_path / "runs").mkdir()
    with open(tmp_path / "runs" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["campaign", written(_TEXT), "--output", str(tmp_path / "runs"), "--next"]) == 1
    assert "Another process trains in" in capsys.readouterr().err


def test_a_training_that_fails_is_left_for_later(
    tmp_path: Path, written: Callable[[str], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def instead(architecture: str, *_: Any, seed: int, **__: Any) -> dict[str, object]:
        if (architecture, seed) == ("basecnn", 0):
            raise RuntimeError("The loss is not finite.")
        return record(0.5)

    monkeypatch.setattr(fit_module, "fit", instead)
    assert main(["campaign", written(_TEXT), "--output", str(tmp_path / "runs")]) == 1
    assert [(row["label"], row["seed"]) for row in read_results(tmp_path / "mine.json")] == [
        ("basecnn_2cc_hidden_4", 0),
        ("basecnn", 1),
        ("basecnn_2cc_hidden_4", 1),
    ]
    told = capsys.readouterr().err
    assert "paths/basecnn/seed_0: The loss is not finite." in told
    assert "tf-routing campaign: No result of paths/basecnn/seed_0, for the reasons above." in told


@pytest.mark.heavy
def test_a_training_that_is_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    text = _TEXT.replace("seeds = [0, 1]", "seeds = [0]").replace("epochs = 1", "epochs = 3", 1)
    commands = []
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.toml").write_text(text, "utf-8")
        words = ["campaign", str(tmp_path / name / "mine.toml"), "--output", str(tmp_path / name / "runs")]
        commands.append(
            [sys.executable, "-m", "tf_routing", *words, "--next", "--deterministic", "--checkpoint_every=2"]
        )
    whole, run = start_process(commands[0]), tmp_path / "stopped" / "runs" / "paths" / "basecnn" / "seed_0"
    whole.communicate()
    process = start_process(commands[1])
    while not list((run / "checkpoints").glob("step_*.npz")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert (whole.returncode, process.returncode) == (0, 143)
    assert read_results(tmp_path / "stopped" / "mine.json") == []
    again = start_process(commands[1])
    assert "continuing at step " in again.communicate()[0]
    assert differences(tmp_path / "whole" / "runs" / "paths" / "basecnn" / "seed_0", run) == []
    (row,) = read_results(tmp_path / "stopped" / "mine.json")
    assert (row["pieces"], row["deterministic"]) == (2, True)


def test_a_comparison_sets_images_apart(
    tmp_path: Path, written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few_layers(monkeypatch)
    apart = _TEXT.replace("seeds = [0, 1]", "seeds = [0]\ncalibration_share = 0.1")
    assert main(["campaign", written(apart), "--next", "--output", str(tmp_path / "runs")]) == 0
    (row,) = read_results(tmp_path / "mine.json")
    kept = json.loads((tmp_path / "runs/paths/basecnn/seed_0/run.json").read_text("utf-8"))["arguments"]
    # Of 1,347 training images, a tenth of each class; what `calibrate` reads to find them again.
    assert (row["train_images"], row["calibration_share"], kept["calibration_share"]) == (1211, 0.1, 0.1)


def test_networks_of_the_cascade_learn_the_same_images_at_one_budget() -> None:
    trainings = load_campaign(str(_ROOT / "campaigns/cascade.toml")).trainings
    assert len({str((each.dataset, each.calibration_share, each.settings, each.seed)) for each in trainings}) == 1
    assert trainings[0].calibration_share == 0.1


def _trainings() -> list[Any]:
    trainings = load_campaign(str(_ROOT / "campaigns" / "cifar.toml")).trainings
    return [training for training in trainings if training.seed == 0]


def test_networks_of_a_comparison_of_the_claims_have_one_budget() -> None:
    by_comparison: dict[str, set[Any]] = {}
    for training in _trainings():
        budget = (training.dataset, training.settings, training.arguments.get("width_multiplier"), training.where)
        by_comparison.setdefault(training.comparison, set()).add(budget)
        # A recipe that gets longer does not make a result look older than it is.
        assert training.epochs is not None
    assert {len(budgets) for budgets in by_comparison.values()} == {1}


def test_campaigns_of_this_repository_give_networks_what_they_take() -> None:
    for file in sorted((_ROOT / "campaigns").rglob("*.toml")):
        check_arguments(load_campaign(str(file)).trainings)


@pytest.mark.heavy
@pytest.mark.parametrize("training", _trainings(), ids=lambda training: f"{training.comparison}-{training.label}")
def test_every_network_of_the_claims_can_be_built(training: Any) -> None:
    classes = 100 if training.dataset == "cifar100" else 10
    model = zoo.get(training.model, classes=classes, input_shape=(32, 32, 3), **training.arguments)
    assert model.output_shape == (None, classes)


def test_terms_on_routes_are_compared_at_one_budget() -> None:
    trainings = load_campaign(str(_ROOT / "campaigns/papers/drn_codinet.toml")).trainings
    settings = [dataclasses.replace(each.settings, name="", title="") for each in trainings]
    assert len(trainings) == 12 and all(each == settings[0] for each in settings)
    arguments = {each.label: each.arguments for each in trainings}
    # One target: 0.6 of fifteen blocks.
    assert 15 * arguments["paper"]["target"] == pytest.approx(arguments["codinet"]["target_blocks"])
    for name in ("paper", "codinet"):
        changed = {"consistency_weight": 0.0, "diversity_weight": 0.0}
        assert arguments[f"{name}_no_terms"] == {**arguments[name], **changed}
        assert {each.arguments["width_multiplier"] for each in trainings} == {0.25}
