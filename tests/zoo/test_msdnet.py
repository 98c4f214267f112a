"""Multi-scale dense networks: their layout, what exits read and cost, and that images which left run nothing more."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import disturb
from tests.graph_operations import operations
from tests.msdnet_reference import Network
from tf_routing import calibrate, calibrate_budgets, cost, exit_tree, export, fold_batch_norm, zoo
from tf_routing.execution.exit_functions import ExitFunctions
from tf_routing.layers import ConfidenceJunction
from tf_routing.models import RoutedModel
from tf_routing.objectives import DeepSupervision
from tf_routing.zoo.arguments.builder_arguments import call_builder
from tf_routing.zoo.builders import msdnet

_IMAGENET: dict[str, Any] = {
    **{"growth_factors": (1, 2, 4, 4), "filters": 32, "growth_rate": 16, "classifier_filters": None},
    **{"side": 224, "stem_kernel": 7, "classes": 1000},
}
NETWORKS = {
    "msdnet_5": Network((1, 2, 3, 4, 5)),
    "msdnet_7": Network((1, 2, 3, 4, 5, 6, 7)),
    "msdnet_anytime_7": Network((4, 2, 2, 2, 2, 2, 2)),
    "msdnet_anytime_10": Network((4, *(2,) * 9)),
    "msdnet_imagenet_4": Network((4,) * 5, **_IMAGENET),
    "msdnet_imagenet_7": Network((7,) * 5, **_IMAGENET),
}
SHORT = Network((1, 2, 2), filters=4, growth_rate=2, classifier_filters=8, side=16, classes=4)
COUNT = 40


def build(network: Network, **arguments: Any) -> RoutedModel:
    """Returns the network of a description for 32x32 images, or of its size."""
    common = {"input_shape": (network.side, network.side, 3), "classes": network.classes, "name": "net"}
    common |= {"include_top": True, "pooling": None, "classifier_activation": None}
    layout = {name: getattr(network, name) for name in ("block_layers", "growth_factors", "filters", "growth_rate")}
    layout |= {"bottleneck_factors": network.growth_factors, "classifier_filters": network.classifier_filters}
    return call_builder(msdnet.build, {**common, **layout, "stem": "cifar", **arguments})


@cache
def short() -> RoutedModel:
    """A net of three blocks that is left at every exit; a scale ends with the second layer, another with the fourth."""
    keras.utils.set_random_seed(2)
    model = build(SHORT)
    disturb(model)
    calibrate(model, images(), rate=0.6)
    return model


def images(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(4).uniform(size=(COUNT, 16, 16, 3)).astype("float32")[:count]


def answers(model: RoutedModel, x: np.ndarray, execution: str) -> dict[str, np.ndarray]:
    model.execution = execution
    return {name: np.asarray(each) for name, each in model.decide(x).items()}


def exit_macs(model: RoutedModel) -> list[int]:
    """What the layers on the way to each exit cost."""
    macs = {row.layer: row.macs for row in cost.layer_costs(model)}
    return [sum(macs[layer] for layer in route.layers) for route in exit_tree.routes(tree(model))]


def tree(model: RoutedModel) -> Any:
    return model.get_layer("probabilities").tree


# The layout


def test_the_reference_counts_what_the_public_code_prints() -> None:
    counted = NETWORKS["msdnet_imagenet_7"].public_counts(stem_bias=True)
    printed = [(615.69, 8.76), (1436.39, 20.15), (2283.21, 31.73), (2967.42, 41.86), (3253.79, 62.31)]
    assert [tuple(round(each / 1e6, 2) for each in pair) for pair in counted] == printed


# At full size the deepest take long to build.
@pytest.mark.parametrize(
    "name", [name if name == "msdnet_5" else pytest.param(name, marks=pytest.mark.heavy) for name in NETWORKS]
)
def test_counts_are_those_of_the_reference(name: str) -> None:
    model, expected = zoo.get(name), NETWORKS[name]
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == expected.parameters()
    thresholds = len(expected.block_layers) - 1
    assert model.count_params() == expected.parameters() + expected.moving_statistics() + thresholds
    assert exit_macs(model) == expected.exit_macs() and model.static_cost == expected.exit_macs()[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"block_layers": (2, 3, 2), "growth_factors": (1, 2, 4, 4)},
        {"classifier_filters": None},
        {"block_layers": (3, 1), "growth_rate": 3, "side": 32},
    ],
)
def test_counts_of_other_layouts_are_those_of_the_reference(changes: dict[str, Any]) -> None:
    network = SHORT._replace(**changes)
    model = build(network)
    needed = {place for n in range(1, len(network.block_layers) + 1) for place in network.needed(n)}
    built = [each for each in network.convolutions() if each.place in needed]
    heads = [model.get_layer(f"classifier_{n}_head") for n in range(1, len(network.block_layers) + 1)]
    expected = sum(each.weights + 2 * each.made for each in built) + sum(head.count_params() for head in heads)
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == expected
    assert exit_macs(model) == network.exit_macs()


def test_maps_grow_by_scale_and_transitions_halve_them() -> None:
    model = zoo.get("msdnet_5")
    shapes = {
        "stem_relu": (32, 16),
        "stem_scale_2_relu": (16, 32),
        "stem_scale_3_relu": (8, 64),
        "layer_1_scale_1": (32, 16 + 6),
        "layer_5_scale_3": (8, 4 * (16 + 5 * 6)),
        # Of fifteen layers five have all scales; the sixth reads the finest once more.
        "layer_6_scale_2": (16, 2 * (16 + 6 * 6)),
        "transition_6_scale_2_relu": (16, 2 * 26),
        "layer_7_scale_2": (16, 2 * (26 + 6)),
        "transition_11_scale_3_relu": (8, 4 * 28),
        "layer_15_scale_3": (8, 4 * (28 + 4 * 6)),
    }
    found = {name: model.get_layer(name).output.shape[2:] for name in shapes}
    assert found == shapes
    names = {layer.name for layer in model.layers}
    assert not {"layer_6_scale_1", "layer_11_scale_2", "transition_6_scale_1", "layer_5_scale_1_down_conv_1"} & names
    assert {"layer_6_scale_2_down_conv_2", "layer_5_scale_2_down_conv_2"} <= names
    # Half of what a scale grows by comes from the finer one, of at most as many bottlenecks as its factor.
    assert model.get_layer("layer_5_scale_2_down_conv_2").kernel.shape == (3, 3, 6, 6)
    assert model.get_layer("layer_5_scale_3_same_conv_1").filters == 4 * 12


def test_a_classifier_halves_the_coarsest_maps_twice() -> None:
    model = zoo.get("msdnet_5", classes=7)
    shapes = [model.get_layer(f"classifier_2_conv_{n}").output.shape for n in (1, 2)]
    assert shapes == [(None, 4, 4, 128), (None, 2, 2, 128)]
    assert model.get_layer("classifier_2_head").kernel.shape == (128, 7)
    wide = zoo.get("msdnet_imagenet_4", width_multiplier=0.125, input_shape=(64, 64, 3))
    reads = wide.get_layer("layer_4_scale_4").output.shape[-1]
    assert [wide.get_layer(f"classifier_1_conv_{n}").filters for n in (1, 2)] == [reads] * 2


def test_features_are_the_coarsest_maps_of_the_last_block() -> None:
    whole = build(SHORT)
    model = build(SHORT, include_top=False)
    for layer in model.layers:
        layer.set_weights(whole.get_layer(layer.name).get_weights())
    expected = keras.Model(whole.input, whole.get_layer("transition_5_scale_3_relu").output)(images(2))
    np.testing.assert_allclose(np.asarray(model(images(2))), np.asarray(expected), rtol=1e-5, atol=1e-6)
    assert model.decision_names == []
    pooled = zoo.get("msdnet_5", include_top=False, pooling="avg", input_shape=(None, None, 3))
    assert pooled.output_shape == (None, 208)


# Leaving


def test_the_maps_of_all_scales_go_on_and_logits_alone_leave() -> None:
    cut = ExitFunctions(short(), short().get_layer("probabilities"))
    first, second, third = (part for part in exit_tree.parts(tree(short())) if isinstance(part, exit_tree.Stage))
    # Behind the first layer, of which the exit reads the coarsest scale; the others are those of the stem.
    carried = [each.shape[1:] for each in cut.functions[first].outputs]
    assert sorted(carried) == sorted([(4, 4, 24), (8, 8, 8), (16, 16, 4), (4,)])
    # The next stage reads them all.
    assert [cut.functions[first].outputs[n].shape[1:] for n in cut.reads[second]] == carried[:-1]
    for stage, leaf in zip((first, second), exit_tree.exits(tree(short())), strict=False):
        assert cut.reads[leaf] == (len(cut.functions[stage].outputs) - 1,)
    assert [each.shape[1:] for each in cut.functions[third].outputs] == [(SHORT.classes,)]


def test_no_part_is_computed_before_an_exit_that_reads_it() -> None:
    places = [
        {layer.partition("_same")[0].partition("_down")[0] for layer in route.layers if layer.startswith("layer")}
        for route in exit_tree.routes(tree(short()))
    ]
    # The finest scale ends with the second layer, which nobody reads of it until the third has gone on.
    second = {"layer_1_scale_1", "layer_1_scale_2", "layer_2_scale_2", "layer_2_scale_3", "layer_3_scale_3"}
    assert places[0] == {"layer_1_scale_3"}
    assert places[1] - places[0] == second
    assert places[2] - places[1] == {
        "layer_2_scale_1",
        "layer_3_scale_2",
        "layer_4_scale_2",
        "layer_4_scale_3",
        "layer_5_scale_3",
    }


@pytest.mark.parametrize("count", [0, 1, 7, COUNT])
def test_sparse_is_masked(count: int) -> None:
    model, x = short(), images(count)
    masked, sparse = answers(model, x, "masked"), answers(model, x, "sparse")
    assert set(masked) == {"probabilities", "junction_1", "junction_2"}
    for name in model.decision_names:
        np.testing.assert_array_equal(sparse[name], masked[name])
    np.testing.assert_allclose(sparse["probabilities"], masked["probabilities"], rtol=1e-4, atol=1e-5)
    if count == COUNT:
        assert masked["junction_1"].sum(axis=0).tolist() == [16, 24]
        assert masked["junction_2"][:, 0].sum() > 5
        assert set(model.cost(x)) == set(SHORT.exit_macs())


def test_images_leave_where_their_exit_is_sure_and_get_its_answer() -> None:
    model, x = short(), images()
    shown = keras.Model(model.input, [model.get_layer(f"exit_{n}").output for n in (1, 2, 3)])
    logits = [np.asarray(each) for each in shown(x, training=False)]
    thresholds = [float(model.get_layer(f"junction_{n}").threshold[0]) for n in (1, 2)]
    expected = logits[2].copy()
    left = np.zeros(COUNT, bool)
    for own, threshold in zip(logits, thresholds, strict=False):
        best = np.asarray(keras.ops.softmax(own)).max(axis=1)
        sure = ~left & (best >= 1 / (1 + np.exp(-threshold)))
        expected[sure], left = own[sure], left | sure
    assert 0 < left.sum() < COUNT
    np.testing.assert_allclose(answers(model, x, "sparse")["probabilities"], expected, rtol=1e-4, atol=1e-5)


def test_a_folded_net_leaves_alike() -> None:
    model, x = short(), images()
    expected = answers(model, x, "masked")
    folded = fold_batch_norm(model)
    assert not [layer for layer in folded.layers if isinstance(layer, keras.layers.BatchNormalization)]
    found = answers(folded, x, "sparse")
    np.testing.assert_array_equal(found["junction_1"], expected["junction_1"])
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=1e-3, atol=1e-4)
    assert folded.cost(x).tolist() == model.cost(x).tolist()


def test_a_saved_model_leaves_early(tmp_path: Path) -> None:
    model, x = short(), images()
    expected, costs = answers(model, x, "masked"), model.cost(x)
    model.execution = "auto"
    export(model, tmp_path / "saved", freeze=True)
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    for count in (1, COUNT):
        given = tf.constant(x[:count])
        answer = signatures["serving_default"](images=given)["probabilities"]
        np.testing.assert_allclose(answer, expected["probabilities"][:count], rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(signatures["routes"](images=given)["macs"], costs[:count])
    assert {"If", "StatelessIf"} & set(operations(signatures["serving_default"]))


def test_an_onnx_file_leaves_early() -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    from tf_routing.exporting.onnx_writing.model import write_skipping

    model, x = short(), images()
    expected, costs = answers(model, x, "masked"), model.cost(x)
    session = runtime.InferenceSession(write_skipping(fold_batch_norm(model)).SerializeToString())
    names = [each.name for each in session.get_outputs()]
    for count in (0, 1, COUNT):
        found = dict(zip(names, session.run(None, {"images": x[:count]}), strict=True))
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"][:count], rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(found["junction_2"], expected["junction_2"][:count])
        np.testing.assert_array_equal(found["macs"], costs[:count])


def test_budgets_move_the_thresholds() -> None:
    keras.utils.set_random_seed(2)
    model = build(SHORT)
    disturb(model)
    calibrate_budgets(model, images(), budgets=(0.4, 0.7))
    means = []
    for budget in (0.4, 0.7):
        model.set_budget(budget)
        means.append(model.cost(images()).mean() / model.static_cost)
    np.testing.assert_allclose(means, (0.4, 0.7), atol=0.03)


# Learning


def test_every_exit_learns_and_no_threshold_does() -> None:
    model = build(SHORT, exit_weights=[0.5, 1.0, 2.0], confidence=0.7)
    objective = model.default_objective()
    assert isinstance(objective, DeepSupervision)
    assert objective.names == ("exit_1_loss", "exit_2_loss", "exit_3_loss")
    junctions = [layer for layer in model.layers if isinstance(layer, ConfidenceJunction)]
    assert [layer.confidence for layer in junctions] == [0.7, 0.7]
    assert not any(layer.trainable_weights for layer in junctions)
    model.compile(keras.optimizers.SGD(0.0))
    labels = np.arange(8) % SHORT.classes
    logs = model.train_on_batch(images(8), labels, return_dict=True)
    outputs = model(images(8), training=True, return_outputs=True)
    logits = np.asarray(outputs["probabilities_exit_logits"], "float64")
    logs_of = logits - logits.max(axis=-1, keepdims=True)
    logs_of -= np.log(np.exp(logs_of).sum(axis=-1, keepdims=True))
    expected = -logs_of[np.arange(8)[:, None], np.arange(3), labels[:, None]].mean(axis=0) * [0.5, 1.0, 2.0]
    np.testing.assert_allclose([logs[name] for name in objective.names], expected, rtol=1e-4)
    assert logs["loss"] == pytest.approx(expected.sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"confidence": 1.0}, "`confidence` must be in"),
        ({"exit_weights": [1.0, 1.0]}, "`exit_weights` must be a list of 5 numbers"),
        ({"confidence": 0.5, "include_top": False}, "`confidence` counts only where there are exits"),
        ({"growth_rate": 12}, "growth_rate"),
    ],
)
def test_what_is_not_possible_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        zoo.get("msdnet_5", **arguments)
