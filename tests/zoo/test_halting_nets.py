"""The layout of residual nets whose stages end early: counts in plain Python, who runs what, and what training pays."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_routing
from tests.halting import halt
from tf_routing import calibrate, cost, zoo
from tf_routing.layers import HaltedPositions, HaltingMean, HaltingRouter, SkipBlock
from tf_routing.models import RoutedModel
from tf_routing.objectives import PonderCost
from tf_routing.optimizers import DecayedSGD
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import halting_resnet

NAMES = [f"{kind}_resnet{depth}" for kind in ("act", "sact") for depth in (32, 110, 50, 101)]
ROWS = {row["architecture"]: row for row in json.loads((Path(zoo.__file__).parent / "reported.json").read_text())}
UNITS = {"32": (5, 5, 5), "110": (18, 18, 18), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3)}


def convolution(kernel: int, inputs: int, outputs: int, side: int, bias: bool = False) -> Counter[str]:
    """Trainable parameters and multiply-accumulates of a convolution to maps of this side."""
    macs = kernel**2 * inputs * outputs * side**2
    return Counter(trained=kernel**2 * inputs * outputs + bias * outputs, macs=macs)


def normalization(channels: int) -> Counter[str]:
    return Counter(trained=2 * channels, moving=2 * channels)


def score(channels: int, side: int, spatial: bool) -> Counter[str]:
    """A halting score: one output of normalised means, and of a normalised 3x3 convolution where positions halt."""
    whole = normalization(channels) + Counter(trained=channels + 1, macs=channels)
    return whole + normalization(channels) + convolution(3, channels, 1, side) if spatial else whole


def basic_unit(inputs: int, width: int, side: int) -> Counter[str]:
    first = normalization(inputs) + convolution(3, inputs, width, side)
    return first + normalization(width) + convolution(3, width, width, side, bias=True)


def bottleneck_unit(inputs: int, width: int, side: int, stride: int) -> Counter[str]:
    first = normalization(inputs) + convolution(1, inputs, width, side * stride)
    second = normalization(width) + convolution(3, width, width, side)
    third = normalization(width) + convolution(1, width, 4 * width, side, bias=True)
    projection = convolution(1, inputs, 4 * width, side, bias=True) if inputs != 4 * width else Counter()
    return first + second + third + projection


def count(depth: str, spatial: bool | None, classes: int) -> Counter[str]:
    """Counts of a net, without halting scores where `spatial` is `None`."""
    bottleneck = len(UNITS[depth]) == 4
    widths, side = ((64, 128, 256, 512), 56) if bottleneck else ((16, 32, 64), 32)
    total = convolution(7, 3, 64, 112, bias=True) if bottleneck else convolution(3, 3, 16, 32, bias=True)
    channels = widths[0]
    for stage, (units, width) in enumerate(zip(UNITS[depth], widths, strict=True)):
        outer = 4 * width if bottleneck else width
        stride = 2 if stage else 1
        side //= stride
        for unit in range(units):
            own = 1 if unit else stride
            total += bottleneck_unit(channels, width, side, own) if bottleneck else basic_unit(channels, width, side)
            channels = outer
        if spatial is not None:
            for _ in range(units - 1):
                total += score(outer, side, spatial)
    return total + normalization(channels) + Counter(trained=(channels + 1) * classes, macs=channels * classes)


@pytest.mark.parametrize("name", NAMES)
def test_reported_counts_are_those_of_the_layout(name: str) -> None:
    kind, _, depth = name.partition("_resnet")
    expected = count(depth, kind == "sact", ROWS[name]["classes"])
    assert ROWS[name]["macs"] == expected["macs"]
    assert ROWS[name]["trainable_parameters"] == expected["trained"]
    assert ROWS[name]["total_parameters"] == expected["trained"] + expected["moving"]


def test_without_scores_the_nets_cost_what_the_authors_code_counts() -> None:
    # What the tests of mfigurnov/sact expect, cifar_model_test.py and imagenet_model_test.py, of two per
    # multiply-accumulate; the latter net has a class more, for the background.
    assert 2 * count("110", None, 10)["macs"] == 505775360
    assert 2 * count("101", None, 1001)["macs"] == 15602814976


@cache
def shallow(spatial: bool, bottleneck: bool = False, **arguments: Any) -> RoutedModel:
    """Seven units in three stages, the last of one unit, at a width of their own, whose images halt differently."""
    common = {"classes": 10, "input_shape": (32, 32, 3), "include_top": True, "pooling": None}
    common |= {"classifier_activation": None, "name": "net", "stage_blocks": (4, 2, 1), "widths": (4, 8, 8)}
    keras.utils.set_random_seed(2)
    model = call_builder(
        halting_resnet.build, {**common, "spatial": spatial, "bottleneck": bottleneck, "init_bias": -0.5, **arguments}
    )
    _vary(model)
    return model


def _vary(model: RoutedModel) -> None:
    """Gives routers, in order of depth, statistics of images, and kernels by whose scores these halt differently."""
    random = np.random.default_rng(0)
    for router in of_type(model, HaltingRouter):
        maps = np.asarray(keras.Model(model.input, keras.tree.flatten(router.input)[0])(images(32)))
        scored = [(router.normalization, router.score_layer, maps.mean(axis=(1, 2)), 3.0)]
        if router.spatial:
            scored.append((router.local_normalization, router.local_layer, maps.reshape(-1, maps.shape[-1]), 0.5))
        for normalization, layer, values, scale in scored:
            normalization.moving_mean.assign(values.mean(axis=0))
            normalization.moving_variance.assign(values.var(axis=0))
            layer.kernel.assign(random.normal(scale=scale, size=layer.kernel.shape))


def images(count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    # Of lights that differ, so that means do.
    return (random.uniform(size=(count, 32, 32, 3)) * random.uniform(size=(count, 1, 1, 3))).astype("float32")


def of_type(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_every_unit_of_a_stage_but_the_first_may_be_skipped() -> None:
    model = shallow(False)
    assert [block.name for block in of_type(model, SkipBlock)] == [
        *(f"stage_1_block_{unit}" for unit in (2, 3, 4)),
        "stage_2_block_2",
    ]
    assert model.decision_names == [f"router_{number}" for number in range(1, 5)]
    assert [mean.name for mean in of_type(model, HaltingMean)] == ["stage_1_mean", "stage_2_mean"]
    assert not of_type(model, HaltedPositions)
    assert [layer.name for layer in of_type(shallow(True), HaltedPositions)] == [
        f"{block.name}_halted" for block in of_type(model, SkipBlock)
    ]
    # The last stage has one unit, which is its output.
    assert model.get_layer("stage_3_block_1_add").output is model.get_layer("final_bn").input


def test_a_stage_answers_with_the_mean_of_its_units() -> None:
    model, x = shallow(False), images(32)
    names = ["stage_1_block_1_add", "stage_1_block_2", "stage_1_block_3", "stage_1_block_4", "stage_1_mean"]
    routers = [model.get_layer(f"router_{number}") for number in (1, 2, 3)]
    shown = keras.Model(
        model.input, [*(model.get_layer(name).output for name in names), *(router.output for router in routers)]
    )
    *units, mean, first, second, third = [keras.tree.map_structure(np.asarray, each) for each in shown(x)]
    scores = []
    for router, maps in zip(routers, units, strict=False):
        scores.append(1 / (1 + np.exp(-np.asarray(router._logits(maps, training=False))[:, 0])))
    counts, _, weights = halt(np.stack([*scores, np.ones(32)], axis=1))
    assert len(set(counts)) >= 3
    expected = np.einsum("bn,nbhwc->bhwc", weights, np.stack(units))
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    np.testing.assert_array_equal(1 + first[0] + second[0] + third[0], counts[:, None])
    # Who halted keeps its maps.
    for before, after, decision in zip(units[:-1], units[1:], (first[0], second[0], third[0]), strict=True):
        kept = decision[:, 0] == 0
        np.testing.assert_array_equal(after[kept], before[kept])


def test_positions_that_halted_keep_their_maps_while_others_go_on() -> None:
    model, x = shallow(True), images(16)
    names = ["stage_1_block_1_add", *(f"stage_1_block_{unit}_halted" for unit in (2, 3, 4))]
    routers = [model.get_layer(f"router_{number}").output for number in (1, 2, 3)]
    shown = keras.Model(model.input, [*(model.get_layer(name).output for name in names), *routers])
    *units, first, second, third = [keras.tree.map_structure(np.asarray, each) for each in shown(x)]
    for before, after, (decision, _, remaining) in zip(units[:-1], units[1:], (first, second, third), strict=True):
        halted = remaining[..., 0] == 0
        np.testing.assert_array_equal(after[halted], before[halted])
        assert (np.abs(after - before).max(axis=-1)[~halted] > 0).all()
        np.testing.assert_array_equal(decision[:, 0], (~halted).any(axis=(1, 2)))
    assert 0.05 < (third[2] > 0).mean() < 0.95


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("method", ["rows", "patterns"])
def test_a_unit_sees_the_rows_that_need_it_and_no_others(spatial: bool, method: str, monkeypatch: Any) -> None:
    model, x = shallow(spatial), images(20)
    calibrate(model, x, rate=0.35)
    routes = model.routes(x)
    model.set_execution("sparse", method)
    seen: list[int] = []
    call = keras.Model.__call__

    def counting(self: keras.Model, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Notes on how many rows a branch runs."""
        if self.name == "branch":
            seen.append(int(inputs.shape[0]))
        return call(self, inputs, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "__call__", counting)
    answer = np.asarray(model(tf.constant(x)))
    assert seen == [int(routes[name].sum()) for name in model.decision_names] == [7] * 4
    monkeypatch.undo()
    model.execution = "masked"
    expected = np.asarray(model(x))
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.abs(expected).max())
    model.execution = "auto"


def test_a_unit_that_is_skipped_costs_nothing() -> None:
    model, x = shallow(False), images(20)
    routes = model.routes(x)
    fixed, gated = cost.gated_macs(model)
    unit = 2 * 9 * 4**2 * 32**2
    assert [int(each[0]) for each in gated.values()] == [unit] * 3 + [2 * 9 * 8**2 * 16**2]
    expected = fixed + sum(routes[name] @ macs for name, macs in gated.items())
    np.testing.assert_array_equal(model.cost(x), expected)
    assert len(set(model.cost(x))) > 1 and model.cost(x).max() <= model.static_cost


def test_a_step_for_ponder_cost_alone_lowers_it() -> None:
    keras.utils.set_random_seed(3)
    for name in ("act_resnet32", "sact_resnet32"):
        model = zoo.get(name, width_multiplier=0.25, ponder_weight=100.0)
        model.compile(DecayedSGD(1e-4, momentum=0.0, kernel_decay=0.0), run_eagerly=True)
        x, y = images(8), np.arange(8)

        def pondered(model: RoutedModel = model, x: np.ndarray = x) -> float:
            outputs = model(x, training=True, return_outputs=True)
            return float(model.default_objective().measures(outputs)["ponder_cost"])

        before = pondered()
        model.train_on_batch(x, y)
        assert pondered() < before


def test_the_objective_knows_the_routers_of_each_stage() -> None:
    objective = shallow(True, ponder_weight=0.5).default_objective()
    assert isinstance(objective, PonderCost)
    assert objective.get_config() == {
        "stages": [["router_1", "router_2", "router_3"], ["router_4"], []],
        "ponder_weight": 0.5,
        "label_smoothing": 0.0,
    }
    assert zoo.get("act_resnet50", width_multiplier=0.02).default_objective().ponder_weight == 0.005


@pytest.mark.parametrize("spatial", [False, True])
def test_closing_a_router_halts_there_and_opening_all_changes_no_answer(spatial: bool) -> None:
    model, x = shallow(spatial), images(12)
    whole = np.asarray(model.answer_whole(x)["whole_probabilities"])
    np.testing.assert_allclose(whole, model(x), atol=1e-5 * np.abs(whole).max())
    closed = np.asarray(model.answer_whole(x, ["router_1", "router_4"])["whole_probabilities"])
    # The first stage's output is then that of its first unit, and so the second's.
    alone = keras.Model(model.get_layer("stage_1_mean").output, model.output)
    first = keras.Model(model.input, model.get_layer("stage_1_block_1_add").output)(x)
    assert np.abs(closed - whole).max() > 1e-3
    cut = np.asarray(model.answer_whole(x, ["router_1"])["whole_probabilities"])
    np.testing.assert_allclose(cut, alone(first), atol=1e-5 * np.abs(cut).max())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ponder_weight": -1.0}, "ponder_weight"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"ponder_weight": 0.5, "include_top": False}, "`ponder_weight` counts only for the objective"),
    ],
)
def test_what_does_nothing_or_is_not_possible_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.get("act_resnet32", **arguments)


def test_features_have_no_classes() -> None:
    assert zoo.get("sact_resnet32", width_multiplier=0.1, include_top=False).output_shape[1:3] == (8, 8)
    assert tf_routing.fold_batch_norm(shallow(True)).decision_names == shallow(True).decision_names
