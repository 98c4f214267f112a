"""The command line, called as a function and as a program."""

import csv
import json
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tf_routing
from tests.eager import eager
from tests.few_layers import few_layers
from tf_routing import cost, data, zoo
from tf_routing.cli.main import main
from tf_routing.cli.program import COMMANDS, program_parser
from tf_routing.data import ImageSet
from tf_routing.evaluation import results_table
from tf_routing.support.hashes import hash_file
from tf_routing.train import fit as fit_module
from tf_routing.train.recipes import recipe_files
from tf_routing.zoo.architectures import ARCHITECTURES

_ROOT = Path(tf_routing.__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one epoch."""
    output = tmp_path_factory.mktemp("runs") / "digits"
    words = ["--model", "basecnn_2cc", "--epochs", "1", "--width_multiplier", "0.125", "--batch_size", "256"]
    with eager():
        assert main(["fit", *words, "--output", str(output)]) == 0
    return output


def failed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that must fail says on standard error."""
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"tf-routing {words[0]}: ")
    assert "Traceback" not in error
    return error


def test_a_warning_names_the_command_and_no_line_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    place, written = ("file.py", 7, "call()"), list[str]()

    def run(words: list[str]) -> int:
        written.extend(warnings.formatwarning("is far", kind, *place) for kind in (UserWarning, RuntimeWarning))
        return 0

    before = warnings.formatwarning
    monkeypatch.setattr("tf_routing.cli.main._run", run)
    assert main(["fit"]) == 0 and warnings.formatwarning is before
    assert written == ["tf-routing fit: is far\n", before("is far", RuntimeWarning, *place)]


def test_list_shows_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in zoo.list_models() if name not in printed] == []
    assert "551,594" in printed


def test_list_takes_a_pattern_and_a_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "resnet20_*cc", "--family", "multipath", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in listed] == zoo.list_models("resnet20_*cc")
    assert listed[0]["parameters"] == zoo.card("resnet20_2cc").reported[0].trainable_parameters
    assert main(["list", "resnet20_*cc", "--family", "multipath"]) == 0
    printed = capsys.readouterr().out
    assert "resnet20_3cc" in printed
    assert "basecnn" not in printed


def test_list_shows_a_network_that_is_being_added(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "basecnn_5cc", ARCHITECTURES["basecnn_4cc"])
    assert main(["list", "basecnn_5*"]) == 0
    assert re.search(r"basecnn_5cc(\W+-){5}\W*\n", capsys.readouterr().out)
    assert main(["list", "basecnn_5*", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["recipe"], row["parameters"], row["error_percent"]) == ("multipath_cnn", None, {})


def test_list_says_when_nothing_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "xyz*"]) == 0
    assert "No architecture matches 'xyz*'" in capsys.readouterr().out


def test_list_of_an_unknown_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean: multipath" in failed(["list", "--family", "multipat"], capsys)


def test_card_shows_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "basecnn"]) == 0
    printed = capsys.readouterr().out
    assert "basecnn" in printed
    assert "551,594" in printed
    assert "multipath_cnn" in printed
    assert main(["card", "basecnn", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["reported"][0]["trainable_parameters"] == 551594 and card["recipe"] == "multipath_cnn"


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_architecture_has_a_card(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", name]) == 0
    printed = capsys.readouterr().out
    command = re.findall(r"To train it so: tf-routing (.*)\n", printed)
    if zoo.card(name).recipe is not None:
        given = program_parser().parse_args(shlex.split(command[0]))
        assert (given.model, given.recipe) == (name, zoo.card(name).recipe)
        assert given.dataset in ("cifar10", "cifar100", "imagenet2012", "DATASET")
    assert name in printed


def test_card_of_an_unknown_model_lists_close_matches(capsys: pytest.CaptureFixture[str]) -> None:
    error = failed(["card", "basecn_2cc"], capsys)
    assert "Unknown architecture 'basecn_2cc'. Did you mean: " in error
    assert "basecnn_2cc" in error


def test_fit_of_an_unknown_model_leaves_no_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    error = failed(["fit", "--model", "basecn_2cc", "--output", str(tmp_path / "run")], capsys)
    assert "basecnn_2cc" in error
    assert not (tmp_path / "run").exists()


def test_fit_on_an_unknown_dataset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["fit", "--model", "basecnn", "--dataset", "cifar11", "--output", str(tmp_path / "run")]
    error = failed(words, capsys)
    assert "Unknown dataset 'cifar11'. Did you mean: " in error
    assert "cifar10" in error


def test_fit_with_an_unknown_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["fit", "--model", "basecnn", "--recipe", "quik", "--output", str(tmp_path / "run")]
    assert "Unknown recipe 'quik'. Did you mean: quick, " in failed(words, capsys)


def test_fit_on_missing_data_says_how_to_get_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = ["--dataset", "mnist", "--data_dir", str(tmp_path), "--output", str(tmp_path / "run")]
    error = failed(["fit", "--model", "basecnn", *place], capsys)
    assert "tfds.load('mnist')" in error
    assert "--dataset digits" in error


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `fit` is called with, in place of training."""
    calls: dict[str, Any] = {}

    def instead(*_: Any, model_arguments: dict[str, Any], **__: Any) -> dict[str, Any]:
        calls.update(model_arguments)
        return {"arguments": {}, "final": {"accuracy": 0.5}, "seconds": 1.0}

    monkeypatch.setattr(fit_module, "fit", instead)
    return calls


def test_fit_hands_on_arguments_of_the_network(asked: dict[str, Any], tmp_path: Path) -> None:
    values = {
        "target_rate=0.5": 0.5,
        "use_previous=false": False,
        "widths=[8, 8, 16, 16]": [8, 8, 16, 16],
        "categories=null": None,
        "seed=3": 3,
        "flops_total=network": "network",
        "path=a=b.json": "a=b.json",
        "empty=": "",
        'quoted="7"': "7",
    }
    words = [word for value in values for word in ("--set", value)]
    assert main(["fit", "--model", "dmnn50_n2", *words, "--output", str(tmp_path / "run")]) == 0
    expected = {key.partition("=")[0]: value for key, value in values.items()}
    assert asked == {"width_multiplier": 1.0, **expected}
    assert [type(value) for value in asked.values()][1:] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(("words", "expected"), [([], False), (["--count_routes"], True)])
def test_fit_hands_on_whether_to_count_routes(
    words: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[bool] = []

    def instead(*_: Any, count_routes: bool, **__: Any) -> dict[str, Any]:
        seen.append(count_routes)
        return {"arguments": {}, "final": {"accuracy": 0.5}, "seconds": 1.0}

    monkeypatch.setattr(fit_module, "fit", instead)
    assert main(["fit", "--model", "drn_resnet32", *words, "--output", str(tmp_path / "run")]) == 0
    assert seen == [expected]


def test_hyphens_are_as_good_as_underscores_and_values_reach_the_recipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def instead(_: str, dataset: Any, recipe: Any, *__: Any, **options: Any) -> dict[str, Any]:
        seen.append((recipe, options))
        return {"arguments": {}, "final": {"accuracy": 0.5}, "seconds": 1.0}

    monkeypatch.setattr(fit_module, "fit", instead)
    words = ["--image-size=48", "--learning-rate", "0.5", "--weight-decay=0.01", "--drops", "2", "3"]
    words += ["--mirror=false", "--width-multiplier", "0.25", "--schedule", "steps", "--count-routes"]
    assert main(["fit", "--model", "drn_resnet32", *words, "--output", str(tmp_path / "run")]) == 0
    ((recipe, options),) = seen
    assert (recipe.image_size, recipe.learning_rate, recipe.kernel_decay) == (48, 0.5, 0.01)
    assert (recipe.drops, recipe.mirror, recipe.schedule, recipe.epochs) == ((2, 3), False, "steps", 4)
    assert options["model_arguments"] == {"width_multiplier": 0.25} and options["count_routes"]


def test_a_command_reads_its_recipe_once(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reads: list[str] = []

    def count(name: str, parse: Any = recipe_files._parse) -> dict[str, Any]:
        reads.append(name)
        return parse(name)

    monkeypatch.setattr(recipe_files, "_parse", count)
    recipe = tmp_path / "mine.toml"
    recipe.write_text('extends = "multipath_cnn"\nepochs = 3\n[arguments]\nhidden = 8', "utf-8")
    assert main(["fit", "--model", "basecnn_2cc", "--recipe", str(recipe), "--output", str(tmp_path / "run")]) == 0
    assert reads == [str(recipe), "multipath_cnn"]
    assert asked == {"width_multiplier": 1.0, "hidden": 8}


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], 7), (["--recipe", "part.toml"], 7), (["--batch_size", "16"], 16), (["--recipe", "quick"], 128)],
)
def test_few_images_get_small_batches_where_nobody_says_otherwise(
    words: list[str], expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits, sizes = data.load("digits"), []
    few = digits._replace(train=ImageSet(digits.train.images[:60], digits.train.labels[:60]))

    def instead(_: str, dataset: Any, recipe: Any, *__: Any, **___: Any) -> dict[str, Any]:
        sizes.append(recipe.batch_size)
        return {"arguments": {}, "final": {"accuracy": 0.5}, "seconds": 1.0}

    monkeypatch.setattr(fit_module, "fit", instead)
    monkeypatch.setattr(data, "load", lambda name, data_dir: few)
    monkeypatch.chdir(tmp_path)
    Path("part.toml").write_text("epochs = 3", "utf-8")
    assert main(["fit", "--model", "basecnn", *words, "--output", "run"]) == 0
    printed = capsys.readouterr().out
    assert sizes == [expected]
    assert ("batch_size is 7: there are 60 training images." in printed) == (expected == 7)
    assert ("part.toml is filled from the recipe quick" in printed) == ("part.toml" in words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "--image-sise", "3"], "--image_sise is not known here, perhaps --image_size"),
        (["list", "basecnn", "extra"], "extra is not known here. `tf-routing list --help` shows what it takes."),
    ],
)
def test_a_wrong_option_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--output", "run"] if words[0] == "fit" else words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tf-routing {words[0]}: {message}") and error.count("\n") == 1


@pytest.mark.parametrize("word", ["target_rate", "=0.5", ""])
def test_a_malformed_assignment_is_a_usage_error(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--model", "dmnn50_n2", "--set", word, "--output", "nowhere"])
    assert stopped.value.code == 2
    assert f"argument --set: must be NAME=VALUE, received {word!r}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "cost"])
def test_an_unknown_argument_of_the_network_lists_the_known(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = ["fit", "--output", str(tmp_path / "run"), "--model"] if command == "fit" else [command]
    error = failed([*place, "dmnn50_cifar_n2", "--set", "targetrate=0.5"], capsys)
    assert "Unknown argument 'targetrate'. Did you mean: target_rate" in error
    assert "flops_total" in error
    assert not (tmp_path / "run").exists()


def test_a_wrong_value_for_the_network_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--set", "target_rate=half", "--width_multiplier", "0.0625", "--output", str(tmp_path / "run")]
    assert "Received: target_rate='half'" in failed(["fit", "--model", "dmnn50_cifar_n2", *words], capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "is_gated"), [("basecnn_2cc", False), ("dmnn50_cifar_n2", True)])
def test_cost_shows_layers_and_sums(
    name: str, is_gated: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["cost", name, "--set", "width_multiplier=0.125"]) == 0
    printed = capsys.readouterr().out
    model = zoo.get(name, width_multiplier=0.125)
    rows = [[cell.strip() for cell in line.split("│")[1:6]] for line in printed.splitlines() if "│" in line]
    own = {layer: int(macs.replace(",", "")) for layer, _, _, macs, _ in rows}
    waiting = sum(own[layer] for layer, *_, gate in rows if gate)
    assert sum(own.values()) == model.static_cost
    assert waiting == model.static_cost - cost.gated_macs(model)[0] and (waiting > 0) == is_gated
    assert f"{model.static_cost:,} MACs" in printed and f"{waiting:,} (" in printed


@pytest.mark.parametrize("words", [[], *([command] for command in COMMANDS)])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    assert "usage: tf-routing" in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fitt"])
    assert stopped.value.code == 2
    assert "fit" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["list"], ["card", "basecnn_2cc"]])
def test_lists_and_cards_do_not_wait_for_keras(words: list[str]) -> None:
    code = (
        "import sys; from tf_routing.cli.main import main; "
        f"code = main({words!r}); sys.exit(code or ('keras' in sys.modules) or ('tensorflow' in sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "basecnn_2cc" in finished.stdout


def test_evaluate_writes_what_it_measured(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    assert main(["evaluate", str(finished), "--output", str(results)]) == 0
    measured, record = json.loads(results.read_text("utf-8")), json.loads((finished / "run.json").read_text("utf-8"))
    assert (measured["dataset"], measured["images"]) == ("digits", 450)
    assert measured["accuracy"] == pytest.approx(record["final"]["accuracy"])
    assert measured["macs"] == record["final"]["macs"]
    means = np.array(measured["gates"]["route_2"]["mean"])
    np.testing.assert_allclose(means.sum(axis=-1), 1, rtol=1e-4)
    assert f"{measured['accuracy']:.4f}" in capsys.readouterr().out


def test_evaluate_takes_a_file(finished: Path) -> None:
    assert main(["evaluate", str(finished / "model.keras"), "--batch_size", "100"]) == 0


def test_evaluate_of_all_writes_the_table_anew(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results_table, "read_releases", lambda: [])
    table = tmp_path / "results.csv"
    table.write_text("what was there before", "utf-8")
    assert main(["evaluate", "--all", str(finished.parent), "--output", str(table)]) == 0
    assert f"Wrote 1 rows to {table}." in capsys.readouterr().out
    record = json.loads((finished / "run.json").read_text("utf-8"))
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["architecture"], row["dataset"]) == ("digits", "basecnn_2cc", "digits")
    assert float(row["accuracy"]) == pytest.approx(record["final"]["accuracy"], abs=1e-6)
    assert (row["images"], row["parameters"]) == ("450", str(record["final"]["parameters"]))
    assert (row["version"], row["batch"], row["sha256"]) == ("", "", hash_file(finished / "model.keras"))


def test_evaluate_of_all_refuses_what_a_single_network_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    error = failed(["evaluate", "--all", "--crops", "10"], capsys)
    assert "`crops` is not for --all" in error and "crops=10" in error


def test_evaluate_of_all_names_missing_data_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = failed(["evaluate", "--all", "--data_dir", str(tmp_path), "--output", str(tmp_path / "all.csv")], capsys)
    assert str(tmp_path) in error and not (tmp_path / "all.csv").exists()


def test_evaluate_needs_a_path_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert "`path` must be given" in failed(["evaluate"], capsys)


def test_evaluate_on_other_data_names_what_differs(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = data.load("digits")
    fewer = digits._replace(name="fewer", class_names=digits.class_names[:7])
    monkeypatch.setattr(data, "load", lambda name, data_dir: fewer)
    error = failed(["evaluate", str(finished)], capsys)
    assert "'fewer' lacks 7, 8, 9" in error


def test_evaluate_of_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    error = failed(["evaluate", str(tmp_path)], capsys)
    assert "There is no trained model at" in error and "Give the folder of a run that `tf-routing fit` or" in error


def test_evaluate_without_a_record_needs_a_dataset(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.keras").write_bytes((finished / "model.keras").read_bytes())
    assert "`dataset` must be given" in failed(["evaluate", str(tmp_path / "model.keras")], capsys)


def test_evaluate_of_a_run_that_has_not_finished(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", "utf-8")
    assert "the command that began it continues it" in failed(["evaluate", str(tmp_path)], capsys)


def test_evaluate_of_a_file_that_is_no_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no model")
    assert "model.keras" in failed(["evaluate", str(tmp_path), "--dataset", "digits"], capsys)


def test_export_prints_the_signatures_and_overwrites_nothing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "saved_model"
    assert main(["export", str(finished), "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("serving_default", "serve_uint8", "routes", "route_2", "macs"))
    assert (output / "assets" / "labels.txt").read_text("utf-8").split() == [str(digit) for digit in range(10)]
    assert "exists already" in failed(["export", str(finished), "--output", str(output)], capsys)
