"""Accuracies by hand, ten crops averaged, and the classes and sizes that evaluation takes from a run."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.data.written_folder import noise, png
from tests.few_layers import few_layers
from tf_routing import data, zoo
from tf_routing.cli.main import main
from tf_routing.data.batching.pipelines import evaluation_batches
from tf_routing.evaluation.accuracies import accuracies
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.evaluation.network_times import BATCH_SIZES
from tf_routing.runs.trained_network import as_trained, load_trained
from tf_routing.train.fit import fit
from tf_routing.train.recipes.recipe import Recipe

pytestmark = pytest.mark.usefixtures("eagerly")

_CLASSES = [f"class_{i}" for i in range(7)]
_RECIPE = Recipe(
    "tiny", "One epoch", epochs=1, batch_size=6, learning_rate=0.05, shift=0, image_size=32, resize=40, first_classes=6
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven classes, with one picture each for training and two for tests."""
    folder = tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 1), ("validation", 2)):
        for label, name in enumerate(_CLASSES):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                (folder / part / name / f"{i}.png").write_bytes(png(noise(50, 60, seed=10 * label + i)))
    return folder


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "run"
    fit("basecnn", data.load(str(pictures)), _RECIPE, output, model_arguments={"width_multiplier": 0.125})
    return output


def measured(words: list[str], folder: Path) -> dict[str, Any]:
    file = folder / "results.json"
    assert main(["evaluate", "--rounds", "0", *words, "--output", str(file)]) == 0
    return json.loads(file.read_text("utf-8"))


@pytest.fixture(scope="module")
def results(run: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the evaluation of the run on its pictures says."""
    return measured([str(run), "--dataset", str(pictures)], tmp_path_factory.mktemp("results"))


def test_accuracies_by_hand() -> None:
    # The right class is first, second, fifth, sixth and last among seven.
    ranks = np.array([0, 1, 4, 5, 6])
    probabilities = np.tile(np.linspace(0.3, 0.01, 7), (5, 1))
    assert accuracies(probabilities, ranks) == {"accuracy": pytest.approx(0.2), "top5_accuracy": pytest.approx(0.6)}


@pytest.mark.parametrize(("classes", "keys"), [(5, {"accuracy"}), (6, {"accuracy", "top5_accuracy"})])
def test_the_top_five_of_five_classes_say_nothing(classes: int, keys: set[str]) -> None:
    assert set(accuracies(np.eye(classes), np.arange(classes))) == keys


def test_a_network_that_skips_nothing_and_has_no_baseline_is_timed_alone() -> None:
    model = zoo.get("basecnn", width_multiplier=0.125)
    results = evaluate(model, data.load("digits"), 256, architecture="basecnn", rounds=1)
    assert [row["batch"] for row in results["times"]] == list(BATCH_SIZES)
    assert all(set(row) == {"batch", "masked_milliseconds"} for row in results["times"])
    assert results["hardware"]["cores"] == os.cpu_count()


def test_probabilities_are_averaged_over_ten_crops(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = zoo.get("basecnn", classes=7, width_multiplier=0.125)
    dataset = data.load(str(pictures)).sized(32, resize=40)
    seen: list[np.ndarray] = []

    def kept(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        seen.append(probabilities)
        return accuracies(probabilities, labels)

    monkeypatch.setattr("tf_routing.evaluation.evaluate.accuracies", kept)
    results = evaluate(model, dataset, 50, crops=10)
    assert (results["crops"], results["images"]) == (10, 14)
    whole = dataclasses.replace(dataset.test, image_size=40)
    images = np.concatenate([each for each, _ in evaluation_batches(whole, 14).as_numpy_iterator()])
    places = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    crops = [images[:, top : top + 32, left : left + 32] for top, left in places]
    answers = [model.predict(each, verbose=0) for crop in crops for each in (crop, crop[:, :, ::-1])]
    np.testing.assert_allclose(seen[0], np.mean(answers, axis=0), atol=1e-5)
    assert results["accuracy"] == pytest.approx(np.mean(np.mean(answers, axis=0).argmax(axis=1) == dataset.test.labels))


def test_a_run_records_its_classes_and_its_top_five(run: Path) -> None:
    record = json.loads((run / "run.json").read_text("utf-8"))
    assert (record["arguments"]["train_images"], record["arguments"]["test_images"]) == (6, 12)
    assert record["class_names"] == _CLASSES[:6]
    assert 0 <= record["final"]["accuracy"] <= record["final"]["top5_accuracy"] <= 1


def test_evaluation_finds_classes_and_size_in_the_record(run: Path, results: dict[str, Any]) -> None:
    record = json.loads((run / "run.json").read_text("utf-8"))
    assert (results["images"], results["crops"]) == (12, 1)
    for name in ("accuracy", "top5_accuracy"):
        assert results[name] == pytest.approx(record["final"][name])


def renamed(pictures: Path, folder: Path, names: dict[str, str]) -> Path:
    """The same pictures in folders of other names."""
    for file in pictures.rglob("*.png"):
        part, class_name = file.parts[-3:-1]
        copy = folder / part / names.get(class_name, class_name) / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return folder


def test_classes_are_matched_by_name(
    run: Path, results: dict[str, Any], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Another class comes first by name, and one that the run has left out.
    more = renamed(pictures, tmp_path / "more", {_CLASSES[6]: "another"})
    found = measured([str(run), "--dataset", str(more)], tmp_path)
    assert {**found, "dataset": 0} == {**results, "dataset": 0}
    other = renamed(pictures, tmp_path / "other", {_CLASSES[2]: "wrong"})
    assert main(["evaluate", str(run), "--dataset", str(other)]) == 1
    assert f"{str(other)!r} lacks class_2" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--dataset", str(pictures), "--first_classes", "3"]) == 1
    assert "`first_classes` must be left out, or be 6" in capsys.readouterr().err


def test_an_export_of_a_run_sees_what_evaluation_sees(run: Path, pictures: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--output", str(tmp_path / "export")]) == 0
    card = json.loads((tmp_path / "export" / "assets" / "card.json").read_text("utf-8"))
    assert (card["crop"], card["resize"]) == (0.875, 40)
    assert (tmp_path / "export" / "assets" / "labels.txt").read_text("utf-8").split() == _CLASSES[:6]
    files = [pictures / "validation" / name / "0.png" for name in _CLASSES[:6]]
    served = tf.saved_model.load(str(tmp_path / "export")).signatures["serve_encoded"](
        images=tf.constant([file.read_bytes() for file in files])
    )
    model, record = load_trained(str(run))
    tested = as_trained(data.load(str(pictures)), model, record).test
    images = np.concatenate([each for each, _ in evaluation_batches(tested, 12)])[::2]
    np.testing.assert_allclose(served["probabilities"], model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


def test_evaluation_without_a_record_takes_options(
    run: Path, results: dict[str, Any], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes((run / "model.keras").read_bytes())
    place = [str(file), "--dataset", str(pictures)]
    assert main(["evaluate", *place]) == 1
    assert "knows 6 classes" in capsys.readouterr().err
    options = ["--first_classes", "6", "--resize", "40"]
    assert measured([*place, *options], tmp_path) == results
    crops = ["--crops", "10"]
    assert measured([*place, *options, *crops], tmp_path) == measured([str(run), *place[1:], *crops], tmp_path)
    said = capsys.readouterr().out
    assert "Top-5 accuracy" in said
    assert f"{file} does not name its classes: the first is taken for 'class_0', and so on." in said
    assert f"{run} does not name" not in said


def test_images_in_memory_are_not_resized_and_say_so() -> None:
    model = zoo.get("basecnn", width_multiplier=0.125)
    with pytest.raises(ValueError, match="`resize` must be left out, .* Received: resize=40"):
        as_trained(data.load("digits"), model, {}, resize=40)


def test_a_damaged_file_is_told_as_such(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.keras"
    for content in (b"", (run / "model.keras").read_bytes()[:1000]):
        file.write_bytes(content)
        assert main(["evaluate", str(file), "--dataset", "digits"]) == 1
        assert f"{file} is no .keras file, whatever its name, or is damaged." in capsys.readouterr().err


def test_a_wrong_number_of_crops_is_named(run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--dataset", str(pictures), "--crops", "5"]) == 1
    assert "`crops` must be one of 1, 10. Received: crops=5" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["first_classes", "resize", "batch_size"])
def test_nothing_is_no_number(name: str, run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--dataset", str(pictures), f"--{name}", "0"]) == 1
    assert f"`{name}` must be a positive integer. Received: {name}=0" in capsys.readouterr().err


def test_fit_takes_the_first_classes(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--dataset", "digits", "--output", str(tmp_path / "run")]
    assert main(["fit", "--model", "basecnn", *place, "--first_classes", "11"]) == 1
    assert "`first_classes` must be at most 10, the classes of 'digits'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    words = ["--width_multiplier", "0.125", "--epochs", "1", "--first_classes", "2"]
    assert main(["fit", "--model", "basecnn", *place, *words]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    digits = data.load("digits")
    assert record["arguments"]["test_images"] == (digits.test.labels < 2).sum()
    assert record["class_names"] == ["0", "1"]
    assert "top5_accuracy" not in record["final"]


def test_a_picture_that_training_cannot_read_is_named(pictures: Path, tmp_path: Path) -> None:
    broken = tmp_path / "pictures"
    for part in ("train", "test"):
        for name in _CLASSES[:2]:
            (broken / part / name).mkdir(parents=True)
            (broken / part / name / "0.png").write_bytes(png(noise(40, 40)))
    (broken / "train" / _CLASSES[1] / "0.png").write_bytes(b"<html>")
    recipe = dataclasses.replace(_RECIPE, first_classes=None, batch_size=2)
    with pytest.raises(ValueError, match=f"cannot be read; repair or remove them: {broken}/train/class_1/0.png"):
        fit("basecnn", data.load(str(broken)), recipe, tmp_path / "run", model_arguments={"width_multiplier": 0.125})
    # The run had no checkpoint yet: it does not stand in the way of one with the pictures that are left.
    (broken / "train" / _CLASSES[1] / "0.png").unlink()
    for number in (1, 2):
        (broken / "train" / _CLASSES[1] / f"{number}.png").write_bytes(png(noise(40, 40)))
    fit("basecnn", data.load(str(broken)), recipe, tmp_path / "run", model_arguments={"width_multiplier": 0.125})
    assert json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["arguments"]["train_images"] == 3
