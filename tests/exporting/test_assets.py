"""What travels with an export: labels, card, licence, checksums."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conformance.subjects import ROOT
from tests.exporting.exported import normalised_net, tiny_net
from tests.front_matter import read_card
from tf_routing import export, zoo
from tf_routing.exporting.assets.front_matter import write_front_matter
from tf_routing.exporting.checksums import check_checksums, write_checksums
from tf_routing.models import RoutedModel

_TRAINING = {
    "dataset": "digits",
    "recipe": {"name": "quick", "epochs": 3},
    "model_arguments": {"width_multiplier": 0.125},
    "final accuracy": 0.91251,
    "final executed_macs": {"mean": 5.5, "deviation": 1.0},
}


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    return normalised_net()


@pytest.fixture(scope="module")
def folder(model: RoutedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "net"
    export(model, path, version=7, training=_TRAINING)
    return path


def test_the_card_counts_what_was_exported(model: RoutedModel, folder: Path) -> None:
    card = json.loads((folder / "assets" / "card.json").read_text("utf-8"))
    told = {key: card[key] for key in ("name", "version", "fold_batch_norm", "freeze", "training", "skips")}
    assert told == {
        "name": "basecnn_2cc",
        "version": 7,
        "fold_batch_norm": True,
        "freeze": False,
        "training": _TRAINING,
        "skips": False,
    }
    assert card["trainable_parameters"] == sum(int(each.numpy().size) for each in model.trainable_weights)
    assert card["total_parameters"] == model.count_params()
    assert card["static_macs"] == model.static_cost
    assert card["decisions"] == list(model.decision_names)
    assert set(card["signatures"]) == {"serving_default", "serve_uint8", "serve_encoded", "routes"}
    known = zoo.card("basecnn_2cc")
    assert card["architecture"]["reported"][0]["error_percent"] == known.reported[0].error_percent


def test_the_card_can_be_read(model: RoutedModel, folder: Path) -> None:
    text = (folder / "assets" / "card.md").read_text("utf-8")
    assert text.startswith("# basecnn_2cc, version 7\n")
    assert f"| multiply-accumulates per image, at most | {model.static_cost:,} |" in text
    row = zoo.card("basecnn_2cc").reported[0]
    assert row.paper in text and str(row.error_percent["cifar10_200ep"]) in text
    for row in ("| dataset | digits |", "| recipe | quick |", "| model_arguments | width_multiplier=0.125 |"):
        assert row in text
    columns = {line.count(" | ") for line in text.splitlines() if line.startswith("| ---")}
    assert columns == {1, 3}


def test_hugging_face_reads_the_card(folder: Path) -> None:
    fields, page = read_card((folder / "README.md").read_text("utf-8"))
    assert page == (folder / "assets" / "card.md").read_text("utf-8")
    assert (fields["library_name"], fields["pipeline_tag"], fields["license"]) == (
        *("tf_routing", "image-classification"),
        "apache-2.0",
    )
    assert {"multipath", "basecnn-2cc", "dynamic-routing"} <= set(fields["tags"])
    # This dataset is none of the hub's.
    assert "datasets" not in fields
    (row,) = fields["model-index"]
    (result,) = row["results"]
    assert (row["name"], result["dataset"]) == ("basecnn_2cc", {"type": "digits", "name": "digits", "split": "test"})
    assert {each["type"]: each["value"] for each in result["metrics"]} == {"accuracy": 0.9125, "executed_macs": 5.5}
    assert fields["metrics"] == ["accuracy", "executed_macs"]


def test_what_was_not_measured_is_no_result() -> None:
    facts = {"name": "a: b", "architecture": None, "license": None, "training": {"dataset": "cifar10"}}
    fields = yaml.safe_load(write_front_matter(facts).strip("-\n"))
    assert "model-index" not in fields and "metrics" not in fields
    assert (fields["datasets"], fields["license"], fields["license_link"]) == (
        *(["uoft-cs/cifar10"], "other"),
        "assets/LICENSE",
    )


def test_ones_own_network_and_licence(tmp_path: Path) -> None:
    model = tiny_net("mine")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export(model, tmp_path / "net", license=tmp_path / "nowhere")
    (tmp_path / "terms").write_text("Ask first.\n", "utf-8")
    export(model, tmp_path / "net", license=tmp_path / "terms")
    assets = tmp_path / "net" / "assets"
    assert (assets / "LICENSE").read_text("utf-8") == "Ask first.\n"
    card = json.loads((assets / "card.json").read_text("utf-8"))
    assert (card["architecture"], card["training"], card["version"]) == (None, None, 1)
    assert "Nothing is recorded about how these weights were trained." in (assets / "card.md").read_text("utf-8")


def test_a_name_of_the_zoo_can_be_given(tmp_path: Path) -> None:
    export(tiny_net(), tmp_path / "net", architecture="resnet20_2cc", fold_batch_norm=False)
    card = json.loads((tmp_path / "net" / "assets" / "card.json").read_text("utf-8"))
    assert (card["name"], card["architecture"]["name"]) == ("tiny", "resnet20_2cc")


def test_the_licence_is_the_librarys(folder: Path) -> None:
    assert (folder / "assets" / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")


def test_checksums_are_of_every_other_file(folder: Path) -> None:
    check_checksums(folder)
    lines = (folder / "assets" / "SHA256SUMS").read_text("utf-8").splitlines()
    named = {line.split("  ")[1] for line in lines}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found - named == {"assets/SHA256SUMS"} and not named - found
    assert {"saved_model.pb", "assets/card.json", "assets/LICENSE"} <= named


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_agrees(folder: Path) -> None:
    words = ["sha256sum", "--check", "--strict", "assets/SHA256SUMS"]
    finished = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_a_changed_folder_is_told(tmp_path: Path) -> None:
    for name in ("kept", "changed", "missing"):
        (tmp_path / name).write_text(name, "utf-8")
    write_checksums(tmp_path)
    (tmp_path / "changed").write_text("other", "utf-8")
    (tmp_path / "missing").unlink()
    (tmp_path / "added").write_text("added", "utf-8")
    with pytest.raises(ValueError, match="Changed, missing or added: added, changed, missing"):
        check_checksums(tmp_path)
    write_checksums(tmp_path)
    check_checksums(tmp_path)


def test_a_folder_without_checksums(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no checksums"):
        check_checksums(tmp_path)
