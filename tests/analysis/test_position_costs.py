"""MACs of the positions that are needed: by hand, between what always runs and what runs, and what is refused."""

from functools import cache

import keras
import numpy as np
import pytest

from tf_routing import cost, zoo
from tf_routing.analysis import position_costs
from tf_routing.models import RoutedModel
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import halting_resnet


@cache
def net(bottleneck: bool = False) -> RoutedModel:
    """Two stages of three and one units at 8x8 and 4x4 positions."""
    common = {"classes": 3, "include_top": True, "pooling": None, "classifier_activation": "softmax", "name": "net"}
    size = (32, 32, 3) if bottleneck else (8, 8, 3)
    layout = {"stage_blocks": (3, 1), "widths": (4, 8), "bottleneck": bottleneck, "input_shape": size}
    return call_builder(halting_resnet.build, {**common, **layout, "spatial": True})


def needed(model: RoutedModel, *active: np.ndarray) -> int:
    """What one image costs whose positions go on as these two arrays say."""
    remaining = {f"router_{n}": each[None, ..., None].astype(float) for n, each in enumerate(active, 1)}
    decisions = {name: np.array([[float(each.any())]]) for name, each in zip(remaining, active, strict=True)}
    return int(cost.needed_macs(model, decisions, remaining)[0])


def fixed(model: RoutedModel) -> int:
    """What no position can save: all but units that may be skipped and the convolution of the second router."""
    return cost.gated_macs(model)[0] - 9 * model.get_layer("router_2").input[0].shape[-1] * 64


def square(side: int) -> np.ndarray:
    """A square of positions of 64 that go on, away from the border."""
    active = np.zeros((8, 8), bool)
    active[2 : 2 + side, 2 : 2 + side] = True
    return active


def test_a_unit_of_two_windows_needs_a_border_for_its_first() -> None:
    # A position costs 9 c^2 per convolution of c = 4 channels; the first is needed one position around the second's.
    first, second = 9 * 16 * (5**2 + 3**2), 9 * 16 * (4**2 + 2**2)
    scores = 9 * 4 * 3**2
    assert needed(net(), square(3), square(2)) == fixed(net()) + first + second + scores


def test_a_bottleneck_needs_a_border_for_its_pointwise_convolution() -> None:
    first = 16 * 4 * 5**2 + 9 * 4 * 4 * 3**2 + 4 * 16 * 3**2
    scores = 9 * 16 * 3**2
    assert needed(net(True), square(3), square(0)) == fixed(net(True)) + first + scores


def test_a_border_ends_where_maps_do() -> None:
    corner = np.zeros((8, 8), bool)
    corner[0, 0] = True
    assert needed(net(), corner, square(0)) == fixed(net()) + 9 * 16 * (2**2 + 1) + 9 * 4


def test_all_positions_cost_what_images_do_and_none_what_always_runs() -> None:
    everywhere, nowhere = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    assert needed(net(), everywhere, everywhere) == net().static_cost
    assert needed(net(), nowhere, nowhere) == fixed(net())


def test_images_cost_no_more_than_runs_for_them() -> None:
    keras.utils.set_random_seed(1)
    model = zoo.get("sact_resnet32", width_multiplier=0.25, init_bias=0.0, tolerance=0.3)
    x = np.random.default_rng(0).uniform(size=(5, 32, 32, 3)).astype("float32")
    found, runs = position_costs(model, x, batch_size=2), model.cost(x)
    assert found.shape == (5,) and (found < runs).all()
    outputs = model(x, return_outputs=True)
    remaining = {name: np.asarray(outputs[f"{name}_remaining"]) for name in model.decision_names}
    np.testing.assert_array_equal(found, cost.needed_macs(model, model.routes(x), remaining))


def test_a_network_whose_images_halt_is_refused() -> None:
    model = zoo.get("act_resnet32", width_multiplier=0.1)
    with pytest.raises(ValueError, match="`model` must be a network whose positions halt. Received: 'act_resnet32'"):
        position_costs(model, np.zeros((1, 32, 32, 3), "float32"))
    with pytest.raises(ValueError, match="at least one image"):
        position_costs(net(), np.zeros((0, 8, 8, 3), "float32"))
    with pytest.raises(
        ValueError, match="`remaining` must hold what is left behind one router at least. Received: none"
    ):
        cost.needed_macs(net(), {}, {})
