"""The layout of residual nets with adaptive inference graphs: gates, shortcuts, targets, and what a route costs."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import cost, zoo
from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel
from tf_routing.objectives import TargetRates
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import aig_resnet

# The schedule of the authors' public code for ResNet-50 at t = 0.4.
RATES_50 = [1, 1, 0.8, 1, 0.4, 0.4, 0.4, 1, 0.4, 0.4, 0.4, 0.4, 0.4, 1, 0.7, 1]


@cache
def shallow() -> RoutedModel:
    """The net for CIFAR with four blocks, at its own width."""
    common = {"classes": 10, "input_shape": (32, 32, 3), "include_top": True, "pooling": None}
    common |= {"classifier_activation": "softmax", "name": "net"}
    layout = {"stage_blocks": (2, 1, 1), "widths": (16, 32, 64)}
    return call_builder(aig_resnet.build, {**common, **layout, "target_rate": 0.6, "rate_weight": 2.0})


def of_type(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_every_block_has_a_gate_of_sixteen_units_that_reads_its_input_alone() -> None:
    gates, blocks = of_type(shallow(), Controller), of_type(shallow(), SplitBlock)
    assert [gate.name for gate in gates] == [f"controller_{n}" for n in range(1, 5)]
    for gate, block in zip(gates, blocks, strict=True):
        assert gate.input is block.input[0] and block.input[1] is gate.output[0]
        assert (gate.hidden, gate.sub_block_count, gate.normalize, gate.force_one) == (16, 1, True, False)
        assert len(block.sub_blocks) == 1 and block.activation is keras.activations.relu


def test_shortcuts_are_projections_where_the_shape_changes() -> None:
    first, second, *changing = of_type(shallow(), SplitBlock)
    assert first.shortcut == second.shortcut == "identity"
    assert [tuple(block.shortcut.weights[0].shape) for block in changing] == [(1, 1, 16, 32), (1, 1, 32, 64)]


def test_a_block_that_does_not_run_leaves_its_activated_shortcut() -> None:
    block = of_type(shallow(), SplitBlock)[-1]
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 32)).astype("float32")
    expected = np.maximum(np.asarray(block.shortcut(x)), 0)
    np.testing.assert_allclose(np.asarray(block(x, np.zeros((2, 1), "float32"))), expected, atol=1e-6)


def test_costs_of_a_route_by_hand() -> None:
    fixed, gated = cost.gated_macs(shallow())
    regular, strided = 2 * 9 * 16**2 * 32**2, (9 * 16 * 32 + 9 * 32**2) * 16**2
    assert [int(each[0]) for each in gated.values()] == [regular, regular, strided, strided]
    gates = sum(16 * (channels + 2) for channels in (16, 16, 16, 32))
    projections = 16 * 32 * 16**2 + 32 * 64 * 8**2
    assert fixed == 27 * 16 * 32**2 + gates + projections + 640


def test_targets_are_those_of_the_blocks() -> None:
    objective = shallow().default_objective()
    assert isinstance(objective, TargetRates)
    assert objective.get_config() == {
        "targets": {f"controller_{n}": 0.6 for n in range(1, 5)},
        "rate_weight": 2.0,
        "label_smoothing": 0.0,
    }


def test_early_and_last_blocks_of_the_net_for_imagenet_have_targets_of_their_own() -> None:
    model = zoo.get("convnet_aig_50", target_rate=0.4, input_shape=(32, 32, 3), width_multiplier=0.02)
    assert list(model.default_objective().targets.values()) == RATES_50


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="`target_rate` must be in"):
        zoo.get("convnet_aig_110", target_rate=0.0)
    with pytest.raises(ValueError, match="counts only for the objective"):
        zoo.get("convnet_aig_110", target_rate=0.5, include_top=False)
