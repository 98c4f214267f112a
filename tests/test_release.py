"""Releasing a run: what is stored of it comes back from `zoo.get`, and the index, predictions and card say it."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import draw_scores
from tests.released_tools import release as tool
from tests.released_tools import storing
from tf_routing import data, zoo
from tf_routing.evaluation.stored_predictions import find_images, predict, read_predictions
from tf_routing.support.hashes import hash_file

NAME = "basecnn_2cc_digits"
RECIPE = {
    **{"name": "multipath_cnn", "title": "As the paper", "epochs": 2, "batch_size": 64, "learning_rate": 0.1},
    **{"copies": 1, "schedule": "cosine"},
}


def begin_run(folder: Path, started: str, seed: int) -> str:
    """Writes the folder of a finished run; its network is one that nothing trained."""
    keras.utils.set_random_seed(seed)
    statistics = ((0.3, 0.3, 0.3), (0.4, 0.4, 0.4))
    arguments = {"width_multiplier": 0.125, "hidden": 4}
    return write_run(
        folder, started, seed, zoo.get("basecnn_2cc", classes=10, **arguments, standardize=statistics), arguments
    )


def write_run(folder: Path, started: str, seed: int, model: Any, arguments: dict[str, Any], **trained: Any) -> str:
    """Writes the folder of a run that ended with a network."""
    model.compile("adam")
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    run = {"model": model.name, "dataset": "digits", "train_images": 1347, "test_images": 450, "seed": seed, **trained}
    record = {
        "arguments": {**run, "model_arguments": arguments, "recipe": RECIPE},
        **{"class_names": [str(digit) for digit in range(10)], "framing": {"crop": 1.0, "resize": None}},
        **{"seconds": 120.0, "processor_seconds": 180.0, "started": started, "versions": {"keras": "3"}},
        "final": {"accuracy": 0.5, "parameters": int(sum(np.prod(each.shape) for each in model.trainable_weights))},
    }
    (folder / "run.json").write_text(json.dumps(record), "utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("runs")
    return [begin_run(folder / f"seed_{seed}", f"2026-01-0{seed + 1}T00:00:00+00:00", seed) for seed in (0, 1)]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TF_ROUTING_SAVED_MODELS", str(tmp_path / "package"))
    return storing.Places(*(tmp_path / name for name in ("package", "cards", "outside", "budgets.json")))


@pytest.fixture
def campaign(tmp_path: Path) -> str:
    """Results of three seeds, whose mean and sample deviation are 0.6 and 0.1, beside those of another network."""
    shared = {"comparison": "digits", "label": "net", "model": "basecnn_2cc"}
    machine = {"processor": "Fast", "cores": 3}
    rows = [
        {**shared, "seed": seed, "started": f"2026-01-0{seed + 1}T00:00:00+00:00", "final": {"accuracy": accuracy}}
        for seed, accuracy in ((1, 0.7), (0, 0.6), (2, 0.5))
    ]
    rows.append({**rows[0], "label": "other", "started": "2026-02-01T00:00:00+00:00", "final": {"accuracy": 0.9}})
    path = tmp_path / "campaign.json"
    path.write_text(json.dumps([{**row, "machine": machine} for row in rows]), "utf-8")
    return str(path)


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares measuring, where a test is about what becomes of it."""

    def write(self: Any, file: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.read_bytes())

    monkeypatch.setattr(storing.TestSet, "measure", lambda self, file: {"accuracy": 0.6, "macs": 7})
    monkeypatch.setattr(storing.TestSet, "write_predictions", write)


def test_a_released_run_comes_back(runs: list[str], places: Any) -> None:
    row = tool.release(runs[0], tool.Options(note=["Nothing trained it."]), places)
    (listed,) = json.loads((places.package / "index.json").read_text("utf-8"))
    assert listed == json.loads(json.dumps(row)) and listed["name"] == NAME and listed["version"] == 1
    file = places.package / listed["file"]
    assert (file.stat().st_size, hash_file(file)) == (listed["bytes"], listed["sha256"])
    model, before = zoo.get("basecnn_2cc", weights="digits"), keras.saving.load_model(Path(runs[0], "model.keras"))
    for one, other in zip(model.get_weights(), before.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=np.abs(other).max() * 2**-11)
    stored = read_predictions(places.folder / "predictions" / f"{NAME}.npz")
    images = find_images(data.load("digits"), stored.hashes)
    assert stored.probabilities.shape == (64, 10)
    np.testing.assert_allclose(predict(model, images), stored.probabilities, atol=1e-5)
    _check_storage(row, before)


def _check_storage(row: dict[str, Any], before: Any) -> None:
    """Both kinds are measured, float32 as the run's own file predicts, and one is kept."""
    storage, images = row["storage"], data.load("digits").test
    predicted = before.predict(images.images / np.float32(255), verbose=0)
    # A net that nothing trained is undecided about an image or two.
    right = np.mean(predicted.argmax(-1) == images.labels)
    assert storage["float32"]["accuracy"] == pytest.approx(right, abs=2.5 / len(images.labels))
    lost = storage["float32"]["accuracy"] - storage["float16"]["accuracy"]
    kept = "float16" if lost < 0.0005 else "float32"
    assert storage["kept"] == kept and row["results"]["accuracy"] == storage[kept]["accuracy"]
    assert row["bytes"] == storage[kept]["bytes"] and storage["float16"]["bytes"] < storage["float32"]["bytes"]


@pytest.mark.parametrize(("accuracy", "kept"), [(0.7001, "float16"), (0.6995, "float32"), (0.69951, "float16")])
def test_five_hundredths_of_a_point_are_too_much(runs: list[str], tmp_path: Path, accuracy: float, kept: str) -> None:
    class Tested:
        def measure(self, file: Path) -> dict[str, float]:
            return {"accuracy": accuracy if file.stem == "float16" else 0.7}

    file, results, storage = storing.store(Path(runs[0], "model.keras"), tmp_path, Tested())
    assert (file.stem, storage["kept"]) == (kept, kept)
    assert results["accuracy"] == (accuracy if kept == "float16" else 0.7)


def test_another_run_is_the_next_version_and_the_same_one_stays_what_it_is(
    runs: list[str], places: Any, tested: None
) -> None:
    first = tool.release(runs[0], tool.Options(), places)
    again = tool.release(runs[0], tool.Options(note=["Said later."]), places)
    assert again["notes"] == ["Said later."] and again["results"] == first["results"]
    assert {key: again[key] for key in ("version", "sha256", "storage")} == {
        key: first[key] for key in ("version", "sha256", "storage")
    }
    second = tool.release(runs[1], tool.Options(), places)
    assert second["version"] == 2 and second["sha256"] != first["sha256"]
    assert [path.name for path in places.package.glob("*.keras")] == [f"{NAME}_v2.keras"]
    assert zoo.get("basecnn_2cc", weights="digits") is not None


def test_what_the_package_has_no_room_for_is_fetched(
    runs: list[str],
    places: Any,
    tested: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(storing, "PACKAGE_BYTES", 1000)
    row = tool.release(runs[0], tool.Options(), places)
    assert row["url"] == f"{NAME}.keras" and not list(places.package.glob("*.keras"))
    assert f"Upload {places.outside / row['url']}" in capsys.readouterr().out
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TF_ROUTING_RELEASE_URL", places.outside.as_uri())
    assert zoo.get("basecnn_2cc", weights="digits").output_shape == (None, 10)
    assert "fetched when it is asked for" in (places.folder / f"{NAME}.md").read_text("utf-8")


def test_packing_stores_a_file_of_float32_anew(runs: list[str], places: Any, tested: None) -> None:
    row = tool.release(runs[0], tool.Options(), places)
    old = places.package / row["file"]
    keras.saving.load_model(Path(runs[0], "model.keras"), compile=False).save(old)
    row |= {"bytes": old.stat().st_size, "sha256": hash_file(old)}
    (places.package / "index.json").write_text(json.dumps([{**row, "storage": None}]), "utf-8")
    # What was released before files were packed still loads.
    before = zoo.get("basecnn_2cc", weights="digits").get_weights()
    packed = tool.pack(NAME, places=places)
    assert packed["version"] == 2 and packed["bytes"] < row["bytes"] and not old.exists()
    for one, other in zip(zoo.get("basecnn_2cc", weights="digits").get_weights(), before, strict=True):
        np.testing.assert_allclose(one, other, atol=np.abs(other).max() * 2**-11)
    with pytest.raises(ValueError, match=f"`name` must be one of {NAME}. Received: 'other'"):
        tool.pack("other", places=places)


def test_a_released_network_that_decides_learns_budgets(tmp_path: Path, places: Any) -> None:
    arguments = {"width_multiplier": 0.125}
    keras.utils.set_random_seed(4)
    model = zoo.get("widecnn_cascade", classes=10, **arguments)
    draw_scores(model)
    run = write_run(tmp_path / "run", "2026-01-01T00:00:00+00:00", 0, model, arguments, calibration_share=0.25)
    first = tool.release(run, tool.Options(), places)
    assert zoo.get("widecnn_cascade", weights="digits").budgets == []
    rival = {"model": "resnet20", "dataset": "digits", "model_arguments": {}, "seed": 0, "accuracy": 1.0, "macs": 40}
    (tmp_path / "rivals.json").write_text(json.dumps([rival]), "utf-8")
    row = tool.calibrate(first["name"], (0.5, 0.8), [str(tmp_path / "rivals.json")], places=places)
    assert row["version"] == 2 and [each.name for each in places.package.glob("*.keras")] == [row["file"]]
    (found,) = json.loads(places.budgets.read_text("utf-8"))
    assert found["file"] == row["file"] and "Calibrated on 33" in found["calibrated_on"]
    assert [each["static"]["macs"] for each in found["budgets"]] == [40, 40]
    released = zoo.get("widecnn_cascade", weights="digits")
    assert [each.budget for each in released.budgets] == [0.5, 0.8]
    assert "`model.set_budget(0.8)`" in (places.folder / f"{first['name']}.md").read_text("utf-8")
    images = data.load("digits").test.images / np.float32(255)
    for each in found["budgets"]:
        released.set_budget(each["budget"])
        assert released.cost(images).mean() == pytest.approx(each["mean_macs"], rel=1e-6)
    with pytest.raises(ValueError, match=f"`name` must be one of {first['name']}. Received: 'other'"):
        tool.calibrate("other", places=places)
    # Packed, its weights are the same and so are its budgets; another run's weights know none.
    packed = tool.pack(first["name"], places=places)
    (kept,) = json.loads(places.budgets.read_text("utf-8"))
    assert kept == {**found, "file": packed["file"]} and zoo.get("widecnn_cascade", weights="digits").budgets
    other = write_run(tmp_path / "other", "2026-01-02T00:00:00+00:00", 0, model, arguments)
    assert tool.release(other, tool.Options(), places)["version"] == 4
    assert json.loads(places.budgets.read_text("utf-8")) == []


def test_the_card_tells_the_seeds_and_the_budget(runs: list[str], places: Any, tested: None, campaign: str) -> None:
    row = tool.release(runs[1], tool.Options(tag="mine", campaign=campaign), places)
    assert row["campaign"]["seeds"] == [0, 1, 2] and row["campaign"]["mean"] == pytest.approx(0.6)
    card = (places.folder / "basecnn_2cc_mine.md").read_text("utf-8")
    assert "| accuracy, mean of 3 seeds | 0.6000 ± 0.1000 |" in card
    assert "| seed | 1, the best on the test set; others: 0 (0.6000), 2 (0.5000) |" in card
    # 1347 images in batches of 64 are 21 steps.
    budget = "2 epochs, about 42 steps, 2.0 minutes (3.0 processor minutes) on Fast, 3 cores"
    assert f"| training budget | {budget} |" in card
    assert "Here: recipe `multipath_cnn`, 2 epochs of 1,347 images, 0.125 of the width; the paper's recipe is" in card
    assert f"| kernels stored in | {row['storage']['kept']}; accuracy" in card


def test_what_cannot_be_released_is_named(runs: list[str], places: Any, campaign: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`tag` must hold no '/'.*'a/b'"):
        tool.release(runs[0], tool.Options(tag="a/b"), places)
    other = begin_run(tmp_path / "other", "2026-03-01T00:00:00+00:00", 0)
    with pytest.raises(ValueError, match="must hold the result of the run that began 2026-03-01.*campaign.json"):
        tool.release(other, tool.Options(campaign=campaign), places)
    record = Path(other, "run.json")
    record.write_text(record.read_text("utf-8").replace('"digits"', '"fruit"'), "utf-8")
    with pytest.raises(ValueError, match="datasets.json says nothing of 'fruit'"):
        tool.release(other, tool.Options(), places)
    assert not places.package.exists()
