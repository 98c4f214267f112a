"""Every reported row is built with exactly the counts of the data file."""

import json
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.conformance.subjects import LEFT_OUT
from tf_routing import cost, exit_tree, zoo
from tf_routing.cli.main import main
from tf_routing.layers import Controller, SkipBlock, SkipRouter
from tf_routing.models.inputs.batches import image_input
from tf_routing.zoo.architectures import ARCHITECTURES

ROWS = json.loads((Path(tf_routing.__file__).parent / "zoo" / "reported.json").read_text())
BUILT = {row["row"]: row for row in ROWS if row["architecture"]}
ORACLES = Path(__file__).resolve().parents[3] / "shared" / "spec" / "oracles.json"


def _trainable(model: Any) -> int:
    return sum(prod(weight.shape) for weight in model.trainable_weights)


def _new() -> set[str]:
    """The rows that bring an architecture, or a builder's argument with another value, that no simpler row has.

    Architectures that are left out elsewhere, deeper or wider than others of their builder, come last and bring values.
    """
    seen: set[tuple[str, ...]] = set()
    found = set()
    for name, row in sorted(
        BUILT.items(), key=lambda row: (row[1]["architecture"] in LEFT_OUT, len(row[1]["arguments"]))
    ):
        architecture = row["architecture"]
        builder = ARCHITECTURES[architecture].import_builder.__name__
        own = {(builder, key, repr(value)) for key, value in row["arguments"].items()}
        own |= set() if architecture in LEFT_OUT else {(architecture,)}
        if not own <= seen:
            found.add(name)
        seen |= own
    return found


_NEW = _new()


@pytest.fixture
def _no_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros in the place of kernels: no count reads them, and a hundred million draws take seconds."""
    monkeypatch.setattr(
        keras.initializers.VarianceScaling, "__call__", lambda _, shape, dtype=None: keras.ops.zeros(shape, dtype)
    )


# The other rows repeat these: more of the same blocks, or an argument that is counted for another network of the same
# builder. `make heavy` counts them all.
@pytest.mark.usefixtures("_no_draws")
@pytest.mark.parametrize(
    "name", [each if each in _NEW else pytest.param(each, marks=pytest.mark.heavy) for each in BUILT]
)
def test_counts(name: str) -> None:
    row = BUILT[name]
    model = zoo.get(row["architecture"], **row["arguments"])
    assert model.output_shape == (None, row["classes"])
    assert list(image_input(model).shape[1:]) == row["input_shape"]
    assert _trainable(model) == row["trainable_parameters"]
    if row["total_parameters"] is not None:
        assert model.count_params() == row["total_parameters"]
    if row["macs"] is not None:
        assert model.static_cost == row["macs"]
    else:
        # No count was worked out for what a rule keeps. All blocks cost what those of the plain net do, since routers
        # that nothing reads do not run.
        baseline = ARCHITECTURES[row["architecture"]].baseline
        plain = next(each for each in ROWS if each["architecture"] == baseline and not each["arguments"])
        assert "keep" in row["arguments"] and model.static_cost == plain["macs"]
    if "macs_fixed" in row:
        _check_parts(model, row)
    if "blocks" in row:
        _check_blocks(model, row)
    if "exit_macs" in row:
        _check_exits(model, row)


def _check_parts(model: tf_routing.RoutedModel, row: dict[str, Any]) -> None:
    """What always runs, sub-blocks and controllers, each by itself."""
    fixed, gated = cost.gated_macs(model)
    controllers = [layer for layer in model.layers if isinstance(layer, Controller)]
    names = {layer.name for layer in controllers}
    own = sum(each.macs for each in cost.layer_costs(model) if each.layer in names)
    assert set(gated) == names
    assert sum(macs.sum() for macs in gated.values()) == row["macs_sub_blocks"]
    assert (own, fixed - own) == (row["macs_controllers"], row["macs_fixed"])
    assert sum(map(_trainable, controllers)) == row["controller_parameters"]


def _check_blocks(model: tf_routing.RoutedModel, row: dict[str, Any]) -> None:
    """The blocks of a residual net, and its routers by themselves."""
    blocks = [layer.name for layer in model.layers if isinstance(layer, SkipBlock)]
    plain = {layer.name.rpartition("_conv")[0] for layer in model.layers if "_block_" in layer.name} - {""}
    assert len(blocks or plain) == row["blocks"]
    if "router_parameters" in row:
        routers = [layer for layer in model.layers if isinstance(layer, SkipRouter)]
        names = {layer.name for layer in routers}
        assert sum(map(_trainable, routers)) == row["router_parameters"]
        assert sum(each.macs for each in cost.layer_costs(model) if each.layer in names) == row["macs_routers"]


def _check_exits(model: tf_routing.RoutedModel, row: dict[str, Any]) -> None:
    """What each way to an exit costs: its layers, and what decisions for it execute."""
    tree = model.get_layer("probabilities").tree
    routes, junctions = exit_tree.routes(tree), exit_tree.junctions(tree)
    macs = {each.layer: each.macs for each in cost.layer_costs(model)}
    by_route = [sum(macs[layer] for layer in route.layers) for route in routes]
    taken = {
        name: np.array([[float(route.choices.get(name) == sink) for sink in range(sinks)] for route in routes])
        for name, sinks in junctions.items()
    }
    assert cost.executed_macs(model, taken, len(routes)).tolist() == by_route
    # In a tree all exits at one depth cost the same.
    assert sorted(set(by_route)) == row["exit_macs"]
    assert max(by_route) == row["macs"]
    if "tree" in row["architecture"]:
        assert len(routes) == 47
    else:
        assert len(routes) == len(row["exit_macs"])


# One builder makes them all, so one with several paths stands for them.
@pytest.mark.parametrize(
    "name",
    [
        name if name == "resnet20_2cc" else pytest.param(name, marks=pytest.mark.heavy)
        for name, row in BUILT.items()
        if "trainable_parameters_100_classes" in row
    ],
)
def test_counts_with_100_classes(name: str) -> None:
    row = BUILT[name]
    model = zoo.get(row["architecture"], **{**row["arguments"], "classes": 100})
    assert _trainable(model) == row["trainable_parameters_100_classes"]


def test_every_name_has_a_row() -> None:
    rows, names = {row["architecture"] for row in BUILT.values()}, set(zoo.list_models())
    assert names - rows == set(), "Names of the zoo without a row: add one to tf_routing/zoo/reported.json."
    assert rows - names == set(), "Rows of names that the zoo does not have."


def test_a_card_begins_with_the_default_arguments() -> None:
    assert [row.row for row in zoo.card("resnet50").reported] == ["resnet50", "resnet50_100"]
    assert zoo.card("dmnn50_n2").reported[0].row == "dmnn50_n2"


def test_a_card_shows_a_dash_for_a_count_that_is_not_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["card", "dmnn50_n2"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "moving statistics" in line]
    counts = [word for line in lines for word in line.replace("│", " ").split()[3:]]
    assert counts == ["24,755,010", "-", "-"]


def test_a_card_says_what_an_error_needs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["card", "dmnn50_n2"]) == 0
    printed = capsys.readouterr().out
    headings = [line for line in printed.splitlines() if "categories=..." in line]
    assert any("use_previous=False, categories=..." in line for line in headings)
    assert "Errors with categories=... need one category for each of the 1000 classes" in printed
    assert "at each target rate, with categories=..." in " ".join(printed.split())
    # What `zoo.get` builds is the row without, and the card says that, too.
    assert not any("use_category=False, categories" in line for line in headings)
    assert main(["card", "dmnn50_cifar_n2"]) == 0
    assert "categories=..." not in capsys.readouterr().out


def test_a_card_names_the_paper_of_rows_from_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["card", "resnet101"]) == 0
    printed = capsys.readouterr().out
    assert "Paper: Su et al. (2019), Dynamic Multi-path Neural Network" in printed
    (line,) = [line for line in printed.splitlines() if "where" in line]
    assert "Table 1 " in line
    assert "Table 4 of End-To-End Data-Dependent Routing in Multi-Path Neural Networks" in line


def test_rows_are_named_once() -> None:
    assert len({row["row"] for row in ROWS}) == len(ROWS)


def _oracles() -> dict[str, dict[str, Any]]:
    if not ORACLES.exists():
        pytest.skip("the specification lies beside the development checkout only")
    return {row["name"]: row for row in json.loads(ORACLES.read_text())}


_PAPERS = [
    "End-To-End Data-Dependent Routing in Multi-Path Neural Networks",
    "Dynamic Multi-path Neural Network",
    "Dynamic Routing with Path Diversity and Consistency for Compact Network Learning",
    "Deciding How to Decide: Dynamic Routing in Artificial Neural Networks",
]


# Of methods that the papers compare with there is no specification: their counts are derived in tests of their layouts.
@pytest.mark.parametrize("row", [row for row in ROWS if row["paper"] in _PAPERS], ids=lambda row: row["row"])
def test_the_data_file_agrees_with_the_specification(row: dict[str, Any]) -> None:
    oracle = _oracles()[row["row"]]
    assert oracle["kind"] == ("built" if row["architecture"] else "cited")
    call = {"name": row["architecture"], "arguments": row["arguments"]} if row["architecture"] else None
    assert oracle.get("call") == call
    agreed = {
        "paper": "paper",
        "table": "table",
        "num_classes": "classes",
        "input_shape": "input_shape",
        "params_computed": "trainable_parameters",
        "params_total_computed": "total_parameters",
        "macs_computed": "macs",
        "params_m_paper": "parameters_printed_millions",
        "params_computed_100cls": "trainable_parameters_100_classes",
        "count_convention": "printed_count",
        "error_paper": "error_percent",
        "flops_g_paper": "printed_gflops",
        "macs_fixed": "macs_fixed",
        "macs_subblocks": "macs_sub_blocks",
        "macs_controllers": "macs_controllers",
        "controller_params": "controller_parameters",
        "reported_operating_points": "operating_points",
        "num_blocks": "blocks",
        "k_paper": "executed_blocks",
        "router_params": "router_parameters",
        "router_macs": "macs_routers",
        "tradeoff_points": "trade_off",
        "router_cost_pct_paper": "router_cost_percent",
        "cost_reduction_pct_paper": "cost_reduction_percent",
        "exit_ops": "exit_macs",
    }
    assert {ours: oracle.get(theirs) for theirs, ours in agreed.items()} == {
        ours: row.get(ours) for ours in agreed.values()
    }


@pytest.mark.parametrize("paper", _PAPERS)
def test_every_row_of_a_finished_paper_is_in_the_data_file(paper: str) -> None:
    expected = [name for name, oracle in _oracles().items() if oracle["paper"] == paper]
    assert [row["row"] for row in ROWS if row["paper"] == paper] == expected


@pytest.mark.parametrize("row", [row for row in ROWS if "macs_fixed" in row], ids=lambda row: row["row"])
def test_the_parts_of_the_cost_sum_to_it(row: dict[str, Any]) -> None:
    assert row["macs_fixed"] + row["macs_sub_blocks"] + row["macs_controllers"] == row["macs"]


def test_ratios_of_flops_are_those_of_the_printed_numbers() -> None:
    """Su et al. divide by the static network that they trained, but what was pruned by the one it was pruned from."""
    printed = {row["row"]: row["printed_gflops"] for row in ROWS if "printed_gflops" in row}
    checked = 0
    for row in ROWS:
        ratios = row.get("flops_ratio_percent")
        if ratios is None:
            continue
        name = row["row"]
        depth = "resnet101" if "101" in name else "resnet50"
        whole = {True: depth, "mobilenet" in name: "mobilenetv2", "140" in name: "mobilenetv2_140"}[True]
        whole = "resnet50_he" if name == "resnet50_pruned" else whole
        points = {str(point["rate"]): point["flops_g"] for point in row.get("operating_points", ())}
        for ratio, flops in zip(
            ratios.values() if points else [ratios],
            [points[rate] for rate in ratios] if points else [row["printed_gflops"]],
            strict=True,
        ):
            assert ratio == pytest.approx(100 * flops / printed[whole], abs=0.051)
            checked += 1
    assert checked == 29
