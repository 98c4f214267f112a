"""The layout of networks that skip blocks: who reads what, shortcuts, rules, and what each part costs."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.cost import executed_macs, gated_macs, layer_costs
from tf_routing.layers import IdentityShortcut, KeptBlocks, RouterMemory, SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import skip_resnet

BLOCKS = {
    "drn_resnet32": (5, 5, 5),
    "drn_resnet44": (7, 7, 7),
    "drn_resnet56": (9, 9, 9),
    "drn_resnet74": (12, 12, 12),
    "drn_resnet110": (18, 18, 18),
    "drn_resnet50_tinyimagenet": (3, 4, 6, 3),
}
COUNTS = dict(zip(BLOCKS, (15, 21, 27, 36, 54, 16), strict=True))
STEM, REGULAR, STRIDED, HEAD = 442_368, 4_718_592, 3_538_944, 640
RULES = ["first", "distributed", "random"]


@cache
def net(name: str = "drn_resnet32") -> RoutedModel:
    """At its own width and size."""
    return zoo.get(name)


@cache
def shallow(**arguments: Any) -> RoutedModel:
    """A network of five narrow blocks on small images, from the same builder."""
    usual = {"classes": 4, "input_shape": (8, 8, 3), "include_top": True, "pooling": None}
    usual |= {"classifier_activation": "softmax", "name": "net"}
    keras.utils.set_random_seed(1)
    usual |= {"stage_blocks": (2, 1, 2), "widths": (4, 6, 8)}
    model = call_builder(skip_resnet.build, {**usual, **arguments})
    model.execution = "masked"
    return model


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(6).uniform(size=(count, 8, 8, 3)).astype("float32")


def of_type(model: keras.Model, kind: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def routes(model: RoutedModel, x: np.ndarray) -> np.ndarray:
    return np.concatenate(list(model.routes(x).values()), axis=1)


# Both kinds of residual net


# The first one with more blocks per stage; `test_counts.py` builds the deepest in any case.
_DEEPER = {"drn_resnet44", "drn_resnet56", "drn_resnet74", "drn_resnet110"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name in _DEEPER else name for name in BLOCKS]
)
def test_every_block_has_a_router_that_reads_its_input(name: str) -> None:
    routers, blocks = of_type(net(name), SkipRouter), of_type(net(name), SkipBlock)
    assert [each.name for each in routers] == [f"router_{n}" for n in range(1, COUNTS[name] + 1)]
    expected = [f"stage_{s}_block_{b}" for s, count in enumerate(BLOCKS[name], 1) for b in range(1, count + 1)]
    assert [each.name for each in blocks] == expected
    assert net(name).decision_names == [each.name for each in routers]
    for router, block in zip(routers, blocks, strict=True):
        maps, switches = block.input
        assert router.input is maps and router.output is switches
        assert (router.kind, router.hidden, router.beta, router.rule) == ("linear", 16, 10.0, "threshold")
        assert block.activation is keras.activations.relu


@pytest.mark.parametrize("name", ["drn_resnet32", "drn_resnet50_tinyimagenet"])
def test_convolutions_have_no_bias_and_each_is_normalised(name: str) -> None:
    for block in of_type(net(name), SkipBlock):
        for part in [*block.sub_blocks, *([block.shortcut] if block.shortcut != "identity" else [])]:
            convolutions = of_type(part, keras.layers.Conv2D)
            assert not any(each.use_bias for each in convolutions)
            assert len(of_type(part, keras.layers.BatchNormalization)) == len(convolutions)


def test_basic_blocks() -> None:
    assert tuple(net().get_layer("stem").kernel.shape) == (3, 3, 3, 16)
    for block in of_type(net(), SkipBlock):
        stage, first = int(block.name[6]), block.name.endswith("_block_1")
        width, incoming = 8 * 2**stage, 8 * 2 ** max(1, stage - first)
        strided = first and stage > 1
        (branch,) = block.sub_blocks
        convolutions = of_type(branch, keras.layers.Conv2D)
        assert [tuple(each.kernel.shape) for each in convolutions] == [(3, 3, incoming, width), (3, 3, width, width)]
        assert [each.strides for each in convolutions] == [(2, 2) if strided else (1, 1), (1, 1)]
        # The second one comes after the sum.
        assert [each.name for each in of_type(branch, keras.layers.ReLU)] == ["conv_1_relu"]
        if not strided:
            assert block.shortcut == "identity"
            continue
        _, shortcut = block.shortcut.layers
        assert isinstance(shortcut, IdentityShortcut) and block.shortcut.weights == []
        assert (shortcut.filters, shortcut.strides) == (width, 2)


def test_bottlenecks() -> None:
    model = net("drn_resnet50_tinyimagenet")
    for block in of_type(model, SkipBlock):
        stage, first = int(block.name[6]), block.name.endswith("_block_1")
        inner, outer = 32 * 2**stage, 128 * 2**stage
        incoming = outer if not first else (64 if stage == 1 else outer // 2)
        stride = 2 if first and stage > 1 else 1
        (branch,) = block.sub_blocks
        convolutions = of_type(branch, keras.layers.Conv2D)
        shapes = [(1, 1, incoming, inner), (3, 3, inner, inner), (1, 1, inner, outer)]
        assert [tuple(each.kernel.shape) for each in convolutions] == shapes
        assert [each.strides for each in convolutions] == [(1, 1), (stride, stride), (1, 1)]
        assert [each.name for each in of_type(branch, keras.layers.ReLU)] == ["conv_1_relu", "conv_2_relu"]
        if not first:
            assert block.shortcut == "identity"
            continue
        (projection,) = of_type(block.shortcut, keras.layers.Conv2D)
        assert tuple(projection.kernel.shape) == (1, 1, incoming, outer) and projection.strides == (stride, stride)
        assert of_type(block.shortcut, keras.layers.ReLU) == []


def test_the_first_stage_of_tiny_imagenet_runs_at_32() -> None:
    model = net("drn_resnet50_tinyimagenet")
    stem = model.get_layer("stem")
    assert (tuple(stem.kernel.shape), stem.strides) == ((3, 3, 3, 64), (1, 1))
    firsts = [f"stage_{stage}_block_1" for stage in (1, 2, 3, 4)]
    assert [model.get_layer(name).output.shape[1] for name in ("stem", "stem_pool", *firsts)] == [64, 32, 32, 16, 8, 4]
    assert model.input_shape == (None, 64, 64, 3) and model.output_shape == (None, 200)


# What routers see


def test_recurrent_routers_share_one_memory_from_block_to_block() -> None:
    model = shallow(router="recurrent")
    (memory,) = of_type(model, RouterMemory)
    assert memory.name == "router_memory" and memory.units == 10
    blocks, routers = of_type(model, SkipBlock), of_type(model, SkipRouter)
    assert len(routers) == len(blocks) == len(memory._inbound_nodes) == 5
    state = None
    for number, (node, router, block) in enumerate(zip(memory._inbound_nodes, routers, blocks, strict=True), 1):
        summary, *before = node.input_tensors
        features, means = model.get_layer(f"router_{number}_features"), model.get_layer(f"router_{number}_means")
        assert summary is features.output and features.units == 10 and features.use_bias
        assert features.input is means.output and means.input is block.input[0]
        # Zeros before the first block.
        assert before == ([] if state is None else [state])
        scores, state = node.output_tensors
        assert router.input is scores and block.input[1] is router.output


def test_convolutional_routers_are_as_wide_as_what_they_read() -> None:
    for router in of_type(shallow(router="conv"), SkipRouter):
        channels = router.input.shape[-1]
        assert tuple(router.conv.kernel.shape) == (3, 3, channels, channels) and router.conv.strides == (2, 2)
        assert not router.conv.use_bias and tuple(router.scores_layer.kernel.shape) == (channels, 2)


# Rules


@pytest.mark.parametrize("keep", [1, 3, 5])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_keeps_so_many_blocks_of_every_image(rule: str, keep: int) -> None:
    kept = routes(shallow(decision=rule, keep=keep, seed=3), images(8))
    np.testing.assert_array_equal(kept.sum(axis=1), keep)


def test_which_blocks_a_rule_keeps() -> None:
    assert routes(shallow(decision="first", keep=3, seed=3), images(2)).tolist() == [[1, 1, 1, 0, 0]] * 2
    assert routes(shallow(decision="distributed", keep=3, seed=3), images(2)).tolist() == [[1, 0, 1, 1, 0]] * 2
    drawn = routes(shallow(decision="random", keep=3, seed=3), images(30))
    assert len(np.unique(drawn, axis=0)) > 5


def test_a_rule_decides_in_training_too_and_reads_no_router() -> None:
    model = shallow(decision="distributed", keep=3, seed=3)
    (rule,) = of_type(model, KeptBlocks)
    assert rule.input is model.input and rule.stage_blocks == [2, 1, 2]
    outputs = model(images(2), training=True, return_outputs=True)
    assert [float(np.asarray(outputs[name]).mean()) for name in model.decision_names] == [1, 0, 1, 1, 0]


def test_routers_that_a_rule_does_not_read_are_counted_and_cost_nothing() -> None:
    plain, ruled = shallow(), shallow(decision="first", keep=3, seed=3)
    assert ruled.count_params() == plain.count_params()
    routers = [each for each in layer_costs(plain) if each.layer.startswith("router")]
    assert ruled.static_cost == plain.static_cost - sum(each.macs for each in routers)
    assert [each.macs for each in layer_costs(ruled) if each.layer.startswith(("router", "kept"))] == [0] * 6


def test_drawn_decisions_come_from_the_seed_and_differ_between_routers() -> None:
    x = images(40)
    first, other = (routes(shallow.__wrapped__(decision="bernoulli", seed=seed), x) for seed in (3, 4))
    again = routes(shallow.__wrapped__(decision="bernoulli", seed=3), x)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2
    assert len(np.unique(first, axis=1).T) == 5


# Costs


def switches(name: str, on: list[int]) -> dict[str, np.ndarray]:
    """One image's route: the numbers of the blocks that run."""
    return {f"router_{n}": np.array([[float(n in on)]]) for n in range(1, COUNTS[name] + 1)}


@pytest.mark.parametrize(
    ("name", "on", "blocks"),
    [
        ("drn_resnet32", [], 0),
        # One of each stage, a strided one, and the last.
        ("drn_resnet32", [1, 6, 8, 15], 3 * REGULAR + STRIDED),
        ("drn_resnet32", [6, 11], 2 * STRIDED),
        ("drn_resnet32", list(range(1, 16)), 13 * REGULAR + 2 * STRIDED),
        pytest.param("drn_resnet110", [1, 2, 19, 54], 3 * REGULAR + STRIDED, marks=pytest.mark.heavy),
    ],
)
def test_executed_costs_of_a_route_by_hand(name: str, on: list[int], blocks: int) -> None:
    # The first block of a stage reads the channels of the one before.
    depth = BLOCKS[name][0]
    routers = (depth + 1) * 288 + depth * 544 + (depth - 1) * 1056
    assert executed_macs(net(name), switches(name, on), 1).tolist() == [STEM + routers + HEAD + blocks]


def test_counts_with_100_classes() -> None:
    model = zoo.get("drn_resnet32", classes=100)
    assert sum(np.prod(each.shape) for each in model.trainable_weights) == 478_946
    assert model.static_cost == net().static_cost + 5_760


def test_a_model_counts_what_its_rule_keeps() -> None:
    model = zoo.get("drn_resnet32", decision="distributed", keep=7)
    model.execution = "masked"
    x = np.random.default_rng(1).uniform(size=(2, 32, 32, 3)).astype("float32")
    # Three, two and two, and two of them strided; no router runs.
    assert model.cost(x).tolist() == [STEM + HEAD + 5 * REGULAR + 2 * STRIDED] * 2


def test_projections_always_run() -> None:
    model = net("drn_resnet50_tinyimagenet")
    rows = [row for row in layer_costs(model) if "/shortcut/" in row.layer]
    assert all(row.gate is None for row in rows)
    assert sum(row.macs for row in rows) == 117_440_512
    fixed, gated = gated_macs(model)
    stem, head = 64 * 64 * 9 * 3 * 64, 2048 * 200
    routers = 16 * (64 + 3 * 256 + 4 * 512 + 6 * 1024 + 2 * 2048 + 16 * 2)
    assert fixed == 117_440_512 + stem + head + routers
    assert fixed + sum(int(each.sum()) for each in gated.values()) == model.static_cost == 1_303_737_856


def test_equal_blocks_cost_the_same_in_the_objective() -> None:
    macs = net().default_objective().macs
    assert list(macs) == net().decision_names
    expected = {f"router_{n}": [STRIDED if n in (6, 11) else REGULAR] for n in range(1, 16)}
    assert macs == expected
    assert {name: each.tolist() for name, each in gated_macs(net())[1].items()} == macs


# As in the authors' later public code


def _codinet() -> RoutedModel:
    return shallow(bypass="learnt", hidden="channels", hidden_activation="linear", beta=25.0, entries="both")


def test_blocks_that_change_the_shape_are_bypassed_by_a_convolution_of_their_own() -> None:
    blocks = {block.name: block for block in of_type(_codinet(), SkipBlock)}
    changing = {"stage_2_block_1": (4, 6), "stage_3_block_1": (6, 8)}
    for name, block in blocks.items():
        assert block.adds_shortcut == (name not in changing)
        if name in changing:
            (kernel,) = [each for each in block.shortcut.weights if len(each.shape) == 4]
            assert tuple(kernel.shape) == (1, 1, *changing[name])
            # The block itself is the one of the paper, its subsampling included.
            assert any(isinstance(layer, IdentityShortcut) for layer in block.sub_blocks[0].layers)
    (fixed, gated), (before, same) = gated_macs(_codinet()), gated_macs(shallow())
    # Images of 8 pixels, halved before each of the two.
    bypasses = 4 * 4 * 4 * 6 + 2 * 2 * 6 * 8
    routers = sum((channels - 16) * (channels + 2) for channels in (4, 4, 4, 6, 8))
    assert fixed - before == bypasses + routers
    assert {name: each.tolist() for name, each in gated.items()} == {name: each.tolist() for name, each in same.items()}


def test_skipped_blocks_answer_the_same_masked_and_sparse() -> None:
    model, x = _codinet(), images(8)
    for name in model.decision_names:
        layer = model.get_layer(name).scores_layer
        layer.kernel.assign(np.random.default_rng(len(name)).normal(size=layer.kernel.shape))
    expected, taken = model.predict(x, verbose=0), routes(model, x)
    assert 0 < taken.mean() < 1
    model.execution = "sparse"
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
    model.execution = "masked"


def test_routers_of_that_code_are_as_wide_as_their_input() -> None:
    for router in of_type(_codinet(), SkipRouter):
        channels = router.input.shape[-1]
        assert router.hidden_layer.kernel.shape == (channels, channels)
        assert router.hidden_layer.activation is keras.activations.linear
