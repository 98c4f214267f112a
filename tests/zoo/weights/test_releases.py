"""The weights that were trained here: what their data file says is true, and the files are those that were released."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.data.prepared_data import load_or_skip
from tf_routing import zoo
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.runs.trained_network import as_trained
from tf_routing.zoo.weights import releases

ROOT = Path(__file__).parents[3]
ROWS = {row["name"]: row for row in releases.read_releases()}
LIGHT = "vgg13_half_2cc_tiny_imagenet_classes20"
ALL = [name if name == LIGHT else pytest.param(name, marks=pytest.mark.heavy) for name in ROWS]


def loaded(row: dict[str, Any], **arguments: Any) -> keras.Model:
    shape = {"classes": row["classes"], "input_shape": tuple(row["input_shape"])}
    return zoo.get(row["architecture"], weights=row["tag"], **{**shape, **arguments})


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of released weights that may be damaged."""
    for name in ("index.json", ROWS[LIGHT]["file"]):
        shutil.copy(releases.find_release_folder() / name, tmp_path / name)
    monkeypatch.setenv("TF_ROUTING_SAVED_MODELS", str(tmp_path))
    return tmp_path


def test_cards_are_what_the_data_says() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "saved_models/cards.py", "--check"]
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0, "run saved_models/cards.py"


def test_files_are_those_that_were_released() -> None:
    found = {path.name for path in releases.find_release_folder().glob("*.keras")}
    assert found == {row["file"] for row in ROWS.values()}
    for row in ROWS.values():
        path = releases.find_release_file(row)
        assert path.stat().st_size == row["bytes"] < 3 * 2**20
        assert row["architecture"] in zoo.list_models() and len(row["class_names"]) == row["classes"]


@pytest.mark.parametrize("name", ALL)
def test_released_weights_predict_as_their_file(name: str) -> None:
    row = ROWS[name]
    model = loaded(row)
    images = np.random.default_rng(0).uniform(size=(4, *row["input_shape"])).astype("float32")
    expected = keras.saving.load_model(releases.find_release_file(row), compile=False)(images)
    assert np.ptp(expected, axis=0).max() > 1e-4
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)
    assert sum(int(np.prod(each.shape)) for each in model.trainable_weights) == row["results"]["parameters"]
    assert model.static_cost == row["results"]["macs"]


@pytest.mark.heavy
@pytest.mark.parametrize("name", ROWS)
def test_results_are_what_the_card_says(name: str) -> None:
    row, model = ROWS[name], loaded(ROWS[name])
    training = row["training"]
    record = {"arguments": training, "class_names": row["class_names"]}
    dataset = as_trained(load_or_skip(training["dataset"]), model, record)
    results = evaluate(model, dataset, batch_size=250)
    for key in {"accuracy", "execution_rate", "distinct_routes"} & set(row["results"]):
        assert results[key] == pytest.approx(row["results"][key], rel=2e-3), key


def test_a_damaged_file_is_not_loaded(copied: Path) -> None:
    with (copied / ROWS[LIGHT]["file"]).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="is not the file that was released: its SHA-256"):
        loaded(ROWS[LIGHT])


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / ROWS[LIGHT]["file"]).unlink()
    with pytest.raises(FileNotFoundError, match=f"{ROWS[LIGHT]['file']}, which holds the weights"):
        loaded(ROWS[LIGHT])


def test_without_the_checkout_the_error_says_where_weights_are(copied: Path) -> None:
    (copied / "index.json").unlink()
    with pytest.raises(FileNotFoundError, match="`saved_models` of the repository.*TF_ROUTING_SAVED_MODELS"):
        loaded(ROWS[LIGHT])


def test_other_arguments_than_the_files_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`width_multiplier` must be 0.25 with weights='tiny_imagenet_classes20'"):
        loaded(ROWS[LIGHT], width_multiplier=0.5)


def test_an_unknown_tag_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="`weights`: Unknown tag.*'tiny'.*tiny_imagenet_classes20"):
        zoo.get("vgg13_half_2cc", weights="tiny")


def test_the_index_is_whole() -> None:
    index = json.loads((releases.find_release_folder() / "index.json").read_text("utf-8"))
    fields = {"name", "architecture", "tag", "version", "file", "sha256", "bytes", "licence", "training", "results"}
    assert all(fields <= set(row) for row in index)
    assert len({row["name"] for row in index}) == len(index)
