"""Every reported row is built with exactly the counts of the data file."""

import json
from math import prod
from pathlib import Path
from typing import Any

import pytest

import tf_routing
from tf_routing import zoo

ROWS = json.loads((Path(tf_routing.__file__).parent / "zoo" / "reported.json").read_text())
BUILT = {row["row"]: row for row in ROWS if row["architecture"]}
ORACLES = Path(__file__).resolve().parents[3] / "shared" / "spec" / "oracles.json"


def _trainable(model: tf_routing.RoutedModel) -> int:
    return sum(prod(weight.shape) for weight in model.trainable_weights)


@pytest.mark.parametrize("name", BUILT)
def test_counts(name: str) -> None:
    row = BUILT[name]
    model = zoo.get(row["architecture"], **row["arguments"])
    assert model.output_shape == (None, row["classes"])
    assert list(model.input_shape[1:]) == row["input_shape"]
    assert _trainable(model) == row["trainable_parameters"]
    assert model.count_params() == row["total_parameters"]
    assert model.static_cost == row["macs"]


@pytest.mark.parametrize("name", [name for name, row in BUILT.items() if "trainable_parameters_100_classes" in row])
def test_counts_with_100_classes(name: str) -> None:
    row = BUILT[name]
    model = zoo.get(row["architecture"], **{**row["arguments"], "classes": 100})
    assert _trainable(model) == row["trainable_parameters_100_classes"]


def test_every_name_has_a_row() -> None:
    assert {row["architecture"] for row in BUILT.values()} == set(zoo.list_models())


def test_rows_are_named_once() -> None:
    assert len({row["row"] for row in ROWS}) == len(ROWS)


def _oracles() -> dict[str, dict[str, Any]]:
    if not ORACLES.exists():
        pytest.skip("the specification lies beside the development checkout only")
    return {row["name"]: row for row in json.loads(ORACLES.read_text())}


@pytest.mark.parametrize("name", BUILT)
def test_the_data_file_agrees_with_the_specification(name: str) -> None:
    row, oracle = BUILT[name], _oracles()[name]
    assert oracle["kind"] == "built"
    assert oracle["call"] == {"name": row["architecture"], "arguments": row["arguments"]}
    agreed = {
        "num_classes": "classes",
        "input_shape": "input_shape",
        "params_computed": "trainable_parameters",
        "params_total_computed": "total_parameters",
        "macs_computed": "macs",
        "params_m_paper": "parameters_printed_millions",
        "params_computed_100cls": "trainable_parameters_100_classes",
    }
    assert {ours: oracle.get(theirs) for theirs, ours in agreed.items()} == {
        ours: row.get(ours) for ours in agreed.values()
    }
