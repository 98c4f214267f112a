"""The weights that were trained here: what their data file says is true, and the files are those that were released."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.data.prepared_data import load_or_skip
from tests.front_matter import read_card
from tests.released_tools import ROOT, storing
from tf_routing import zoo
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.evaluation.results_table import release_record
from tf_routing.evaluation.stored_predictions import COUNT, find_images, predict, read_predictions
from tf_routing.runs.trained_network import as_trained
from tf_routing.zoo.cards import read_data
from tf_routing.zoo.weights import releases
from tf_routing.zoo.weights.release_files import RELEASE_URL, find_release_file

# Those of the package, whatever the environment names.
ROWS = {row["name"]: {**row, "folder": releases.RELEASED} for row in releases.read_index(releases.RELEASED)}
INSIDE = [name for name, row in ROWS.items() if "url" not in row]
LIGHT = "vgg13_half_2cc_tiny_imagenet_classes20"
ALL = [name if name == LIGHT else pytest.param(name, marks=pytest.mark.heavy) for name in INSIDE]


@pytest.fixture(autouse=True)
def _released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_ROUTING_SAVED_MODELS", raising=False)


def loaded(row: dict[str, Any], **arguments: Any) -> keras.Model:
    return zoo.get(row["architecture"], weights=row["tag"], **arguments)


def seen_data(row: dict[str, Any], model: keras.Model) -> Any:
    return as_trained(load_or_skip(row["training"]["dataset"]), model, release_record(row))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of released weights that may be damaged."""
    for name in ("index.json", ROWS[LIGHT]["file"]):
        shutil.copy(releases.RELEASED / name, tmp_path / name)
    monkeypatch.setenv("TF_ROUTING_SAVED_MODELS", str(tmp_path))
    return tmp_path


def test_cards_are_what_the_data_says() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "saved_models/cards.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0, "run saved_models/cards.py"


@pytest.mark.parametrize("name", ROWS)
def test_hugging_face_reads_the_cards(name: str) -> None:
    row = ROWS[name]
    fields, page = read_card((ROOT / "saved_models" / f"{name}.md").read_text("utf-8"))
    assert f"\n# {name}\n" in page and row["sha256"] in page
    assert (fields["library_name"], fields["pipeline_tag"]) == ("tf_routing", "image-classification")
    assert fields["license"] == row["licence"].lower()
    architecture = row["architecture"].replace("_", "-")
    assert {"keras", architecture} <= set(fields["tags"]) and "saved-model" not in fields["tags"]
    (listed,) = fields["model-index"]
    (result,) = listed["results"]
    assert (listed["name"], result["dataset"]["name"]) == (name, row["training"]["dataset"])
    measured = {each["type"]: each["value"] for each in result["metrics"]}
    assert measured["accuracy"] == pytest.approx(row["results"]["accuracy"], abs=5e-5)
    executed = row["results"].get("executed_macs")
    assert ("executed_macs" in measured) == (executed is not None)
    assert executed is None or measured["executed_macs"] == pytest.approx(executed["mean"], abs=5e-5)
    hub = {"cifar10": ["uoft-cs/cifar10"]}.get(row["training"]["dataset"])
    assert fields.get("datasets") == hub


def test_files_are_those_that_were_released() -> None:
    assert {path.name for path in releases.RELEASED.glob("*.keras")} == {ROWS[name]["file"] for name in INSIDE}
    for row in ROWS.values():
        assert row["architecture"] in zoo.list_models() and len(row["class_names"]) == row["classes"]
        assert "url" in row or find_release_file(row).stat().st_size == row["bytes"]


def test_the_wheel_has_room_for_the_files_in_the_package() -> None:
    assert sum(path.stat().st_size for path in releases.RELEASED.iterdir()) < storing.PACKAGE_BYTES < 12_000_000


def test_files_outside_of_the_package_have_an_address() -> None:
    assert RELEASE_URL or len(INSIDE) == len(ROWS)


@pytest.mark.parametrize("name", ALL)
def test_released_weights_predict_as_their_file(name: str) -> None:
    row = ROWS[name]
    model = loaded(row)
    assert model.input_shape[1:] == tuple(row["input_shape"]) and model.output_shape[-1] == row["classes"]
    images = np.random.default_rng(0).uniform(size=(4, *row["input_shape"])).astype("float32")
    expected = keras.saving.load_model(find_release_file(row), compile=False)(images)
    assert np.ptp(expected, axis=0).max() > 1e-4
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)
    assert sum(int(np.prod(each.shape)) for each in model.trainable_weights) == row["results"]["parameters"]
    assert model.static_cost == row["results"]["macs"]


@pytest.mark.parametrize("name", ALL)
def test_stored_predictions_of_real_images_come_back(name: str) -> None:
    model = loaded(ROWS[name])
    dataset = seen_data(ROWS[name], model)
    stored = read_predictions(ROOT / "saved_models" / "predictions" / f"{name}.npz")
    assert stored.probabilities.shape == (COUNT, ROWS[name]["classes"]) and len(set(stored.hashes)) == COUNT
    assert np.ptp(stored.probabilities, axis=0).max() > 0.5
    np.testing.assert_allclose(predict(model, find_images(dataset, stored.hashes)), stored.probabilities, atol=1e-5)


@pytest.mark.heavy
@pytest.mark.parametrize("name", INSIDE)
def test_results_are_what_the_card_says(name: str) -> None:
    row, model = ROWS[name], loaded(ROWS[name])
    results = evaluate(model, seen_data(row, model), batch_size=250)
    for key in {"accuracy", "execution_rate", "distinct_routes"} & set(row["results"]):
        assert results[key] == pytest.approx(row["results"][key], rel=2e-3), key


def test_released_networks_that_decide_know_the_budgets_of_their_cards() -> None:
    calibrated = {row["file"]: row["budgets"] for row in read_data("budgets.json")}
    deciding = {row["file"]: loaded(row) for row in ROWS.values() if "executed_macs" in row["results"]}
    assert set(calibrated) == set(deciding)
    for file, model in deciding.items():
        assert [each.budget for each in model.budgets] == [each["budget"] for each in calibrated[file]]
        trained = model.get_weights()
        model.set_budget(model.budgets[1].budget)
        assert not all(map(np.array_equal, model.get_weights(), trained))


def test_budgets_go_with_all_that_was_saved_alone(tmp_path: Path) -> None:
    small = {"classes": 3, "input_shape": (8, 8, 3), "width_multiplier": 0.25}
    model = zoo.get("widecnn_cascade", **small)
    images = np.random.default_rng(1).uniform(size=(40, 8, 8, 3)).astype("float32")
    tf_routing.calibrate_budgets(model, images, (0.4, 0.6))
    model.set_budget(0.4)
    model.save(tmp_path / "net.keras")
    again = zoo.get("widecnn_cascade", **small, weights=tmp_path / "net.keras")
    assert again.budget == 0.4 and [each.budget for each in again.budgets] == [0.4, 0.6]
    np.testing.assert_array_equal(again.cost(images), model.cost(images))
    with pytest.warns(UserWarning, match="freshly initialised"):
        other = zoo.get("widecnn_cascade", **{**small, "classes": 4}, weights=tmp_path / "net.keras")
    assert other.budgets == []
    logits = zoo.get("widecnn_cascade", **small, weights=tmp_path / "net.keras", classifier_activation=None)
    assert logits.budget == 0.4 and logits.cost(images).tolist() == model.cost(images).tolist()


def test_budgets_do_not_go_to_networks_of_other_costs() -> None:
    assert zoo.get("drn_resnet32", weights="cifar10").budgets
    assert zoo.get("drn_resnet32", weights="cifar10", input_shape=(64, 64, 3)).budgets == []
    assert zoo.get("drn_resnet32", weights="cifar10", include_top=False).budgets == []


def test_the_table_of_results_is_that_of_the_released_files() -> None:
    with open(ROOT / "saved_models" / "results.csv", encoding="utf-8") as file:
        found = {row["name"]: row["sha256"] for row in csv.DictReader(file)}
    assert found == {name: row["sha256"] for name, row in ROWS.items()}, "run `tf-routing evaluate --all`"


def test_a_damaged_file_is_not_loaded(copied: Path) -> None:
    with (copied / ROWS[LIGHT]["file"]).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="is not the file that was released: its SHA-256"):
        loaded(ROWS[LIGHT])


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / ROWS[LIGHT]["file"]).unlink()
    with pytest.raises(FileNotFoundError, match=f"{ROWS[LIGHT]['file']}, which holds the weights"):
        loaded(ROWS[LIGHT])


def test_the_environments_folder_comes_before_the_package_and_hides_none_of_it(copied: Path) -> None:
    rows = {row["name"]: row for row in releases.read_releases()}
    assert set(rows) == set(ROWS)
    assert {row["folder"] for row in rows.values()} == {copied}
    (copied / "index.json").write_text("[]", "utf-8")
    assert {row["folder"] for row in releases.read_releases()} == {releases.RELEASED}


def test_a_folder_without_an_index_is_named_where_weights_are_missing_only(copied: Path) -> None:
    (copied / "index.json").unlink()
    assert loaded(ROWS[LIGHT]).output_shape == (None, 20)
    with pytest.raises(ValueError, match=f"TF_ROUTING_SAVED_MODELS names {copied}, which holds no index.json"):
        zoo.get("vgg13_half_2cc", weights="tiny")


def test_a_package_that_came_without_weights_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "RELEASED", tmp_path)
    assert zoo.card("vgg13_half_2cc").weights == []
    with pytest.raises(FileNotFoundError, match="no released weights: there is no .*index.json. Install tf_routing"):
        loaded(ROWS[LIGHT])


def test_a_damaged_index_is_named(copied: Path) -> None:
    (copied / "index.json").write_text("[{", "utf-8")
    with pytest.raises(ValueError, match=r"index\.json, which lists released weights, is damaged"):
        loaded(ROWS[LIGHT])


def test_other_arguments_than_the_files_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`width_multiplier` must be 0.25 with weights='tiny_imagenet_classes20'"):
        loaded(ROWS[LIGHT], width_multiplier=0.5)


def test_an_unknown_tag_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="`weights`: Unknown tag.*'tiny'.*tiny_imagenet_classes20"):
        zoo.get("vgg13_half_2cc", weights="tiny")


def test_a_network_without_released_weights_says_which_have_them() -> None:
    with pytest.raises(
        ValueError, match="no released weights of this network.*'tiny_imagenet_classes20' of vgg13_half"
    ):
        zoo.get("drn_resnet110", weights="cifar10")


def test_the_index_is_whole() -> None:
    fields = {"name", "architecture", "tag", "version", "file", "sha256", "bytes", "licence", "training", "results"}
    assert all(fields <= set(row) for row in ROWS.values())
    assert len(ROWS) == len(releases.read_index(releases.RELEASED))
