"""`tf-routing cascade` makes a folder of trained networks that the other commands take for a run."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.trained_net import like_trained
from tf_routing import data, zoo
from tf_routing.cli.main import main

DIGITS = {"classes": 10, "input_shape": (32, 32, 1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders such as `fit` leaves, of networks that were not trained."""
    folder = tmp_path_factory.mktemp("runs")
    x = data.load("digits").test.images[:64] / np.float32(255)
    for name, width in (("small", 1 / 16), ("large", 1 / 8)):
        shape = (*x.shape[1:3], x.shape[3])
        model = like_trained(zoo.get("basecnn", width_multiplier=width, **{**DIGITS, "input_shape": shape}), x)
        (folder / name).mkdir()
        model.save(folder / name / "model.keras")
        run = {"model": "basecnn", "dataset": "digits", "calibration_share": 0.2, "seed": 0}
        names = list(data.load("digits").class_names)
        (folder / name / "run.json").write_text(json.dumps({"arguments": run, "class_names": names}), "utf-8")
    return folder


def test_it_is_like_a_run(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "cascade"
    words = [str(folder / "small"), str(folder / "large"), "--confidence", "0.12", "--output", str(output)]
    assert main(["cascade", *words]) == 0
    record = json.loads((output / "run.json").read_text("utf-8"))
    assert record["arguments"]["dataset"] == "digits" and record["arguments"]["calibration_share"] == 0.2
    assert [each["model"] for each in record["arguments"]["networks"]] == ["basecnn"] * 2
    model = keras.saving.load_model(output / "model.keras")
    x = data.load("digits").test.images / np.float32(255)
    small = keras.saving.load_model(folder / "small" / "model.keras")
    sure = small.predict(x, verbose=0).max(axis=1) >= 0.12
    assert 0 < sure.sum() < len(x)
    np.testing.assert_array_equal(model.routes(x)["junction_1"][:, 0], sure)
    capsys.readouterr()
    assert main(["evaluate", str(output), "--rounds", "0", "--output", str(tmp_path / "results.json")]) == 0
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert results["mean_macs"] == pytest.approx(model.cost(x).mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("key", "values"), [("dataset", ("digits", "mnist")), ("class_names", (["cat", "dog"], ["dog", "cat"]))]
)
def test_networks_of_different_things_are_refused(key: str, values: Any) -> None:
    from tf_routing.cli.commands.cascade import describe

    records: list[dict[str, Any]] = [{"arguments": {}} for _ in values]
    for record, value in zip(records, values, strict=True):
        (record["arguments"] if key == "dataset" else record)[key] = value
    with pytest.raises(ValueError, match=f"`networks` must be of one {key.replace('_', ' ')}"):
        describe(0.9, [Path("a.keras"), Path("b.keras")], records)


def test_images_apart_count_only_where_all_networks_left_them_out() -> None:
    from tf_routing.cli.commands.cascade import describe

    files = [Path("a.keras"), Path("b.keras")]
    for other, expected in ((0.2, 0.2), (0.1, None), (None, None)):
        records = [{"arguments": {"calibration_share": share} if share else {}} for share in (0.2, other)]
        assert describe(0.9, files, records)["arguments"].get("calibration_share") == expected


def test_a_trained_run_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert main(["cascade", str(folder / "small"), str(folder / "large"), "--output", str(folder / "large")]) != 0
    assert f"{folder / 'large'} holds a trained run, which this would overwrite" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == files


def test_another_cascade_in_its_place_has_no_budgets_yet(folder: Path, tmp_path: Path) -> None:
    words = [str(folder / "small"), str(folder / "large"), "--output", str(tmp_path / "cascade")]
    assert main(["cascade", *words]) == 0
    for name in ("budgets.json", "evaluation.json", "mine.json"):
        (tmp_path / "cascade" / name).write_text("{}", "utf-8")
    assert main(["cascade", *words, "--confidence", "0.5"]) == 0
    assert sorted(file.name for file in (tmp_path / "cascade").iterdir()) == ["mine.json", "model.keras", "run.json"]


def test_a_folder_of_something_else_is_left_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    assert main(["cascade", str(folder / "small"), str(folder / "large"), "--output", str(tmp_path)]) != 0
    assert "exists and holds no run" in capsys.readouterr().err
