"""The table of all trained networks: its cells by hand, which networks are in it, and that it is written whole."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tf_routing.evaluation import results_table
from tf_routing.evaluation.results_table import COLUMNS, Trained, list_trained, table_row, write_table

RECORD = {
    "arguments": {"model": "drn_resnet32", "dataset": "cifar10", "model_arguments": {}},
    "class_names": ["a"],
    "final": {"parameters": 7},
}
RESULTS = {
    **{"images": 3, "accuracy": 2 / 3, "macs": 100, "execution_rate": 0.25},
    "executed_macs": {"mean": 41.6, "deviation": 2.0},
}
TIMED = {
    "times": [{"batch": 8, "masked_milliseconds": 2.0}, {"batch": 1, "masked_milliseconds": 9.0}],
    "hardware": {"processor": "A, B"},
}


def trained(row: dict[str, Any] | None = None) -> Trained:
    return Trained("net", "drn_resnet32", None if row else Path("net"), RECORD, row or {})


def test_a_row_holds_means_and_the_times_of_the_largest_batch() -> None:
    released = trained({"version": 2, "results": {"parameters": 5}})
    assert table_row(released, RESULTS, TIMED, "beef") == {
        **{"name": "net", "architecture": "drn_resnet32", "dataset": "cifar10", "images": 3, "accuracy": 2 / 3},
        **{"top5_accuracy": None, "parameters": 5, "macs": 100, "executed_macs": 42, "execution_rate": 0.25},
        **{"batch": 8, "masked_milliseconds": 2.0, "sparse_milliseconds": None, "static_milliseconds": None},
        **{"processor": "A, B", "version": 2, "sha256": "beef"},
    }


def test_what_is_not_measured_is_empty_and_the_file_is_rewritten_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("an earlier table, which is longer than the new one\n" * 20, "utf-8")
    dense = {key: value for key, value in RESULTS.items() if key not in ("executed_macs", "execution_rate")}
    rows = [table_row(trained(), RESULTS, TIMED, "beef"), table_row(trained(), dense, {}, "feed")]
    write_table(path, rows)
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["accuracy"], first["processor"], first["parameters"]) == ("0.666667", "A, B", "7")
    empty = {key for key, value in second.items() if value == ""}
    assert empty == {key for key in COLUMNS if key.endswith("milliseconds")} | {
        *("top5_accuracy", "executed_macs", "execution_rate", "batch", "processor", "version")
    }


def test_released_networks_come_first_and_runs_in_any_depth_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        **{"name": "b_tag", "architecture": "b", "tag": "tag", "class_names": ["x"], "arguments": {"width": 1}},
        "training": {"dataset": "digits", "framing": {"crop": 0.5, "resize": None}, "recipe": {}},
    }
    monkeypatch.setattr(results_table, "read_releases", lambda: [row, {**row, "name": "a_tag"}])
    for name, record in {"deep/net/seed_0": RECORD, "other": RECORD, "begun": {**RECORD, "final": None}}.items():
        (tmp_path / name).mkdir(parents=True)
        kept = {key: value for key, value in record.items() if value is not None}
        (tmp_path / name / "run.json").write_text(json.dumps(kept), "utf-8")
    found = list_trained(str(tmp_path))
    assert [each.name for each in found] == ["a_tag", "b_tag", "deep/net/seed_0", "other"]
    assert [each.dataset for each in found] == ["digits", "digits", "cifar10", "cifar10"]
    assert found[0].record["framing"] == {"crop": 0.5, "resize": None}
    assert found[0].record["arguments"]["model_arguments"] == {"width": 1}
    assert [each.name for each in list_trained()] == ["a_tag", "b_tag"]
    assert list_trained(str(tmp_path / "other"))[-1].name == "other"


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text('{"arguments": {}}', "utf-8")
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} holds no finished run: 1 folders with a run.json"):
        list_trained(str(tmp_path))
