"""`tf-routing calibrate`: budgets of a run, found on images apart, measured on the test set, kept in its file."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.exit_net import CHAIN
from tf_routing import data
from tf_routing.cli.main import main

# A training and several evaluations of digits: a minute.
pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore:`budgets`")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that set a part of its training images apart."""
    output = tmp_path_factory.mktemp("runs") / "chain"
    words = ["--model", "decide_chain8", "--epochs", "1", "--batch_size", "128", "--set", f"tree={json.dumps(CHAIN)}"]
    assert main(["fit", *words, "--calibration_share", "0.2", "--output", str(output)]) == 0
    return output


def test_the_run_trains_without_the_images_apart(run: Path) -> None:
    arguments = json.loads((run / "run.json").read_text("utf-8"))["arguments"]
    digits, apart = data.calibration_split(data.load("digits"), 0.2)
    assert arguments["calibration_share"] == 0.2
    assert arguments["train_images"] == digits.train.image_count == 1347 - apart.image_count


def test_budgets_are_measured_on_the_test_set_and_kept(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = keras.saving.load_model(run / "model.keras").get_weights()
    assert main(["calibrate", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "training images that the run set apart" in printed
    results = json.loads((run / "budgets.json").read_text("utf-8"))
    assert results["test_images"] == 450 and results["calibration_images"] == 269
    assert len(results["budgets"]) == 5
    model = keras.saving.load_model(run / "model.keras")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    x, y = data.load("digits").test
    for row in results["budgets"]:
        model.set_budget(row["budget"])
        mean = model.cost(x).mean()
        assert row["mean_macs"] == pytest.approx(mean, rel=1e-4)
        assert row["share"] == pytest.approx(mean / model.static_cost, rel=1e-4)
        assert row["deviation"] == pytest.approx(row["share"] / row["budget"] - 1)
        assert row["accuracy"] == pytest.approx((model.predict(x, verbose=0).argmax(axis=1) == y).mean(), abs=0.003)


def test_other_budgets_and_a_static_network_beside(run: Path, tmp_path: Path) -> None:
    rows = [
        {"model": "resnet20", "dataset": "digits", "model_arguments": {}, "seed": 0, "accuracy": each, "macs": macs}
        for each, macs in ((1.0, 50), (1.0, 40), (0.0, 30))
    ]
    # A tree of one branch says what it executes, which is all; what decides is no static network.
    rows[1]["executed_macs"] = 40.0
    rows.append({**rows[0], "macs": 10, "executed_macs": {"mean": 5.0}})
    (tmp_path / "runs.json").write_text(json.dumps(rows), "utf-8")
    files = {"--output": tmp_path / "out.json", "--save": tmp_path / "net.keras", "--beside": tmp_path / "runs.json"}
    words = [str(each) for pair in files.items() for each in pair]
    assert main(["calibrate", str(run), "--budgets", "0.6,0.8", *words]) == 0
    results = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [row["budget"] for row in results["budgets"]] == [0.6, 0.8]
    assert {row["static"]["macs"] for row in results["budgets"]} == {40}
    assert [row.budget for row in keras.saving.load_model(tmp_path / "net.keras").budgets] == [0.6, 0.8]


def test_a_file_without_images_apart_divides_the_test_set(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--dataset", "digits", "--budgets", "0.7", "--save", str(tmp_path / "net.keras")]
    (tmp_path / "other.keras").write_bytes((run / "model.keras").read_bytes())
    assert main(["calibrate", str(tmp_path / "other.keras"), *words]) == 1
    assert "Give --output and --save" in capsys.readouterr().err
    assert main(["calibrate", str(tmp_path / "other.keras"), *words, "--output", str(tmp_path / "out.json")]) == 0
    assert "half of the test images" in capsys.readouterr().out
    results = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert results["test_images"] + results["calibration_images"] == 450


@pytest.mark.parametrize("words", [["--budgets", "some"], ["--budgets", "1.5"], ["--batch_size", "0"]])
def test_options_that_are_not_possible_are_named(run: Path, words: list[str], capsys: Any) -> None:
    try:
        assert main(["calibrate", str(run), *words]) != 0
    except SystemExit as stopped:
        assert stopped.code == 2
    assert words[0].strip("-") in capsys.readouterr().err


def test_an_export_takes_a_budget(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tensorflow as tf

    assert main(["calibrate", str(run), "--budgets", "0.6,0.8"]) == 0
    assert main(["export", str(run), "--budget", "0.7", "--output", str(tmp_path / "net")]) == 0
    card = json.loads((tmp_path / "net" / "assets" / "card.json").read_text("utf-8"))
    assert card["budget"] == 0.7
    x = (data.load("digits").test.images / 255).astype("float32")
    macs = tf.saved_model.load(str(tmp_path / "net")).signatures["routes"](tf.constant(x))["macs"].numpy()
    assert macs.mean() / card["static_macs"] == pytest.approx(0.7, rel=0.1)
    assert main(["export", str(run), "--budget", "0.1", "--output", str(tmp_path / "no")]) == 1
    assert "`share`, the budget, must be from 0.6 to 0.8" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["export", "run"], ["predict", "run", "picture.png"], ["browser", "run"]])
@pytest.mark.parametrize("budget", ["much", "0", "1.5", "nan"])
def test_a_budget_that_is_no_share_is_named_before_anything_is_read(
    words: list[str], budget: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--budget", budget])
    assert stopped.value.code == 2
    assert "argument --budget: must be a number above 0 and up to 1" in capsys.readouterr().err
