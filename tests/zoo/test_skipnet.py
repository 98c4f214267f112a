"""The layout of SkipNet: which blocks have a gate, what gates read, how they decide in training, and counts by hand."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import cost, zoo
from tf_routing.layers import RouterMemory, SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.objectives import ExecutionCost
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import skipnet

REGULAR, STRIDED = 2 * 9 * 16**2 * 32**2, (9 * 16 * 32 + 9 * 32**2) * 16**2


@cache
def shallow(**arguments: Any) -> RoutedModel:
    """Four blocks at their own width."""
    common = {"classes": 10, "input_shape": (32, 32, 3), "include_top": True, "pooling": None}
    common |= {"classifier_activation": "softmax", "name": "net", "stage_blocks": (2, 1, 1), "widths": (16, 32, 64)}
    return call_builder(skipnet.build, {**common, "router": "recurrent", "relaxation": "straight_through", **arguments})


def of_type(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_every_block_but_the_first_has_a_gate() -> None:
    assert [block.name for block in of_type(shallow(), SkipBlock)] == [
        *("stage_1_block_2", "stage_2_block_1", "stage_3_block_1")
    ]
    assert shallow().decision_names == ["router_1", "router_2", "router_3"]
    assert shallow().get_layer("stage_1_block_1_add").output.shape == (None, 32, 32, 16)
    assert len(zoo.get("skipnet_38", width_multiplier=0.1).decision_names) == 17


def test_a_skipped_block_leaves_its_projection_without_an_activation() -> None:
    same, *changing = of_type(shallow(), SkipBlock)
    assert same.shortcut == "identity"
    assert [tuple(block.shortcut.weights[0].shape) for block in changing] == [(1, 1, 16, 32), (1, 1, 32, 64)]
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 32)).astype("float32")
    np.testing.assert_array_equal(changing[1](x, np.zeros((2, 1), "float32")), changing[1].shortcut(x))


def test_gates_decide_hard_in_training() -> None:
    x = np.random.default_rng(1).uniform(size=(8, 32, 32, 3)).astype("float32")
    outputs = shallow()(x, training=True, return_outputs=True)
    assert all(set(np.unique(outputs[name])) <= {0.0, 1.0} for name in shallow().decision_names)


def test_one_cell_of_ten_units_steps_along_the_gates() -> None:
    (memory,) = of_type(shallow(), RouterMemory)
    assert memory.units == 10 and memory.count_params() == 4 * (10 * 20 + 10) + 22
    fixed, gated = cost.gated_macs(shallow())
    assert [int(each[0]) for each in gated.values()] == [REGULAR, STRIDED, STRIDED]
    gates = (16 + 16 + 32) * 10 + 3 * (4 * 10 * 20 + 20)
    projections = 16 * 32 * 16**2 + 32 * 64 * 8**2
    assert fixed == 27 * 16 * 32**2 + REGULAR + projections + gates + 640


def test_the_feed_forward_gate_convolves_its_input_with_stride_two() -> None:
    model = shallow(router="conv")
    assert not of_type(model, RouterMemory)
    for router, channels in zip(of_type(model, SkipRouter), (16, 16, 32), strict=True):
        # A convolution, its normalisation and two scores.
        assert sum(np.prod(each.shape) for each in router.trainable_weights) == 9 * channels**2 + 4 * channels + 2
    fixed, _ = cost.gated_macs(model)
    gates = 9 * 16**2 * 16**2 * 1 + 9 * 16**2 * 16**2 + 9 * 32**2 * 8**2 + 2 * (16 + 16 + 32)
    assert fixed == 27 * 16 * 32**2 + REGULAR + 16 * 32 * 16**2 + 32 * 64 * 8**2 + gates + 640


def test_the_objective_has_the_weight_that_is_asked_for() -> None:
    objective = shallow(cost_weight=0.3).default_objective()
    assert isinstance(objective, ExecutionCost)
    assert objective.get_config() == {
        "decisions": ["router_1", "router_2", "router_3"],
        "cost_weight": 0.3,
        "label_smoothing": 0.0,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": 3.0}, "`beta` counts only with relaxation='soft'"),
        ({"cost_weight": -1.0}, "cost_weight"),
        ({"relaxation": "sampled"}, "relaxation"),
    ],
)
def test_what_does_nothing_or_is_not_possible_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.get("skipnet_38", **arguments)
