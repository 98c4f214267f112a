"""A network to which exits were added gives the same answers, until images leave at one of them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import CLASSES, draw_scores, images, own_net
from tf_routing import cost, exit_tree
from tf_routing.layers import Junction

RANGE = (0, 255)


def routed(how: str, kind: str = "residual", **arguments: Any) -> tf_routing.RoutedModel:
    return tf_routing.add_routing(own_net(kind), how, input_range=RANGE, **arguments)


def parted(how: str) -> tf_routing.RoutedModel:
    """Returns a network that about half of the images leave early, and in which they skip some blocks."""
    return part(routed(how))


def part(copy: tf_routing.RoutedModel) -> tf_routing.RoutedModel:
    """Draws scores, and moves them so that about half of the images leave early, and skip some blocks."""
    draw_scores(copy)
    junction = copy.get_layer("junction_1")
    shown = copy(images(), training=False, return_outputs=True)["junction_1_scores"]
    margins = np.asarray(shown)[:, 1] - np.asarray(shown)[:, 0]
    junction.scores_layer.bias.assign_add(np.array([np.median(margins), 0.0]))
    for layer in copy.layers:
        if hasattr(layer, "shift_thresholds") and not isinstance(layer, Junction):
            maps = keras.Model(copy.input, layer.input)(images())
            layer.shift_thresholds(layer.shifts_for_rate(0.5, maps))
    return copy


@pytest.mark.parametrize("how", ["exit", "both"])
@pytest.mark.parametrize("kind", ["residual", "of_operations"])
def test_predictions_are_the_same(how: str, kind: str) -> None:
    exits = {"exits": ["block_1"]} if kind == "of_operations" else {}
    model, copy, x = own_net(kind), routed(how, kind, **exits), images()
    for execution in ("masked", "auto"):
        copy.execution = execution
        np.testing.assert_allclose(copy(x, training=False), model(x), rtol=2e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_body_of_half_precision_may_end_in_a_softmax_of_floats(policy: str) -> None:
    half = own_net(dtype=policy)
    logits = keras.layers.Dense(CLASSES, dtype=policy, name="logits")(half.layers[-2].output)
    model, x = keras.Model(half.input, keras.layers.Activation("softmax", dtype="float32")(logits)), images()
    copy = part(tf_routing.add_routing(model, "exit", input_range=RANGE))
    for execution in (("sparse",), ("sparse", "buckets")):
        copy.execution = "masked"
        expected = copy.predict(x, verbose=0)
        copy.set_execution(*execution)
        np.testing.assert_allclose(copy.predict(x, verbose=0), expected, atol=2e-3)
    assert 0 < copy.routes(x)["junction_1"][:, 0].sum() < len(x)


def test_junctions_of_confidence_read_their_heads() -> None:
    model, x = own_net(), images(40)
    copy = routed("exit", junction="confidence")
    np.testing.assert_allclose(copy(x, training=False), model(x), rtol=2e-6)
    copy.get_layer("exit_1").kernel.assign(0.05 * np.asarray(copy.get_layer("exit_1").kernel))
    means = keras.ops.mean(keras.Model(copy.input, copy.get_layer("b1_out").output)(x), axis=(1, 2))
    answers = np.asarray(keras.ops.softmax(copy.get_layer("exit_1")(means)))
    sure = np.median(answers.max(1))
    copy.get_layer("junction_1").threshold.assign(np.log([sure / (1 - sure)]))
    expected = np.where((answers.max(1) >= sure)[:, None], answers, model(x))
    for execution in ("masked", "sparse"):
        copy.execution = execution
        np.testing.assert_allclose(copy(x, training=False), expected, atol=1e-5)
    assert copy.routes(x)["junction_1"][:, 0].tolist() == (answers.max(1) >= sure).tolist()
    # The head is run by all, up to it and behind it.
    head, first = 4 * CLASSES, 64 * 9 * 3 * 4 + 2 * 64 * 9 * 4 * 4
    assert copy.cost(x).min() == first + head
    assert copy.static_cost == first + head + copy_rest()


def copy_rest() -> int:
    """The multiply-accumulates of the residual net behind its first block, by hand."""
    return 16 * 9 * 4 * 8 + 16 * 9 * 8 * 8 + 16 * 4 * 8 + 2 * 16 * 9 * 8 * 8 + 8 * CLASSES


def test_exits_stand_where_the_size_of_maps_changes() -> None:
    copy = routed("exit")
    tree = exit_tree.find_tree(copy)
    assert [leaf.layer for leaf in exit_tree.exits(tree)] == ["exit_1", "predictions"]
    # Behind the first block; its layers stay as they were.
    assert tree.columns[-1] == "b1_out" and tree.junction == "junction_1"
    assert copy.get_layer("b1_1_conv").kernel.shape == (3, 3, 4, 4)


@pytest.mark.parametrize("how", ["exit", "both"])
def test_masked_is_sparse_where_some_images_leave(how: str) -> None:
    copy, x = parted(how), images()
    answers = {}
    for execution in ("masked", "sparse"):
        copy.execution = execution
        answers[execution] = np.asarray(copy(x, training=False))
    np.testing.assert_allclose(answers["sparse"], answers["masked"], atol=1e-5)
    decided = copy.decide(x)
    np.testing.assert_allclose(decided["probabilities"], answers["masked"], atol=1e-5)
    for name, switches in copy.routes(x).items():
        np.testing.assert_array_equal(decided[name], switches)


def test_who_left_skips_nothing_and_costs_nothing_more() -> None:
    copy, x = parted("both"), images()
    routes = copy.routes(x)
    left = routes["junction_1"][:, 0] == 1
    assert 0 < left.sum() < len(x)
    assert not routes["router_2"][left].any()
    assert routes["router_2"][~left].any() and routes["router_1"].any()
    # By hand: up to the junction, the heads, and the rest of the network.
    blocks = np.array([2 * 64 * 9 * 4 * 4, 2 * 16 * 9 * 8 * 8])
    first = 64 * 9 * 3 * 4 + (4 * 16 + 16 * 2) + (4 * 16 + 16 * 16 + 16 * 2)
    rest = 16 * 9 * 4 * 8 + 16 * 9 * 8 * 8 + 16 * 4 * 8 + (8 * 16 + 16 * 2) + 8 * CLASSES
    expected = first + np.where(left, 4 * CLASSES, rest)
    expected += routes["router_1"][:, 0].astype(int) * blocks[0] + routes["router_2"][:, 0].astype(int) * blocks[1]
    assert copy.cost(x).tolist() == expected.tolist()
    assert copy.static_cost == first + rest + blocks.sum()


def test_an_exit_answers_with_its_head() -> None:
    copy, x = routed("exit"), images()
    copy.get_layer("junction_1").shift_thresholds(np.array([-20.0]))
    means = keras.ops.mean(keras.Model(copy.input, copy.get_layer("b1_out").output)(x), axis=(1, 2))
    np.testing.assert_allclose(copy(x), keras.ops.softmax(copy.get_layer("exit_1")(means)), atol=1e-6)


def test_heads_and_junctions_train_alone() -> None:
    copy = routed("both")
    names = {"router_1", "router_2", "junction_1", "exit_1"}
    assert {weight.path.split("/")[0] for weight in copy.trainable_weights} == names
    before = {weight.path: np.array(weight) for weight in copy.weights}
    copy.compile(keras.optimizers.Adam(0.1), run_eagerly=True)
    logs = copy.fit(images(), verbose=0).history
    terms = [logs[f"{name}_loss"][0] for name in ("distillation", "exits", "cost")]
    assert sum(terms) == pytest.approx(logs["loss"][0], rel=1e-4) and min(terms) > 0
    moved = {weight.path.split("/")[0] for weight in copy.weights if not np.array_equal(before[weight.path], weight)}
    # Scores begin as constants, so that their kernels move first, and what is before them in the next step.
    assert {"junction_1", "exit_1"} <= moved <= names


@pytest.mark.parametrize("how", ["exit", "both"])
def test_a_step_trains_heads_and_logs_what_they_lack(how: str) -> None:
    copy, x = routed(how), images()
    copy.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    head = copy.get_layer("exit_1")
    before = np.array(head.kernel)
    logs = copy.train_on_batch(x, return_dict=True)
    assert {"distillation_loss", "exits_loss", "cost_loss"} <= set(logs)
    assert np.abs(np.array(head.kernel) - before).max() > 0


def test_who_leaves_early_is_not_augmented() -> None:
    model, x = own_net("transferred"), images()
    copy = tf_routing.add_routing(model, "exit", exits=["b1_out"], input_range=RANGE)
    copy.execution = "sparse"
    expected = model(x, training=False)
    for found in (copy(x, training=False), copy.decide(x)["probabilities"], copy.predict(x, verbose=0)):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("how", ["exit", pytest.param("both", marks=pytest.mark.heavy)])
def test_it_is_saved_and_folded(how: str, tmp_path: Path) -> None:
    copy, x = parted(how), images()
    copy.save(tmp_path / "copy.keras")
    for other in (keras.saving.load_model(tmp_path / "copy.keras"), tf_routing.fold_batch_norm(copy)):
        np.testing.assert_allclose(other(x), copy(x), atol=1e-5)


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["exit", "both"])
def test_it_is_exported(how: str, tmp_path: Path) -> None:
    import tensorflow as tf

    copy, x = parted(how), images()
    expected, cost = copy.predict(x, verbose=0), copy.cost(x)
    tf_routing.export(copy, tmp_path / "folder")
    signatures = tf.saved_model.load(str(tmp_path / "folder")).signatures
    np.testing.assert_allclose(signatures["serving_default"](tf.constant(x))["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(signatures["routes"](tf.constant(x))["macs"], cost)
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    tf_routing.onnx_export.export_onnx(copy, tmp_path / "copy.onnx", execution="sparse")
    session = onnxruntime.InferenceSession(tmp_path / "copy.onnx", providers=["CPUExecutionProvider"])
    answers = dict(zip([each.name for each in session.get_outputs()], session.run(None, {"images": x}), strict=True))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(answers["macs"], cost)


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["skip", "exit"])
def test_budgets_are_met(how: str) -> None:
    copy, x = routed(how), images(40)
    draw_scores(copy)
    cheapest = copy.static_cost * 0.8
    budgets = tf_routing.calibrate_budgets(copy, x, budgets=[0.8])
    copy.set_budget(0.8)
    assert budgets[0].budget == 0.8
    np.testing.assert_allclose(copy.cost(x).mean(), cheapest, rtol=0.1)


def test_budgets_of_what_skips_and_leaves_are_what_it_executes() -> None:
    copy, x = parted("both"), images(80)
    rows = tf_routing.calibrate_budgets(copy, x)
    # From the first exit, with its block closed, to the last, with all open.
    assert rows[-1].share == 1 and rows[0].share < 0.3
    for row in rows:
        copy.set_budget(row.budget)
        assert copy.cost(x).mean() == pytest.approx(row.macs, rel=1e-6)
        assert row.share == pytest.approx(row.budget, rel=0.1)
    copy.set_budget(None)


@pytest.mark.heavy
def test_budgets_of_what_skips_and_leaves_hold_on_other_images() -> None:
    copy, x = parted("both"), images(12_000)
    copy.execution = "masked"
    known, unseen = x[::2], x[1::2]
    least, *_, most = tf_routing.calibrate_budgets(copy, known[:200])
    between = np.linspace(least.budget, most.budget, 4)[1:-1]
    for row in tf_routing.calibrate_budgets(copy, known, budgets=between, batch_size=2000):
        assert row.share == pytest.approx(row.budget, rel=0.003)
        copy.set_budget(row.budget)
        routes = copy.routes(unseen)
        costs = cost.executed_macs(copy, routes, len(unseen))
        assert costs.mean() / copy.static_cost == pytest.approx(row.budget, rel=0.02)
        shares = {name: switches[:, -1].mean() for name, switches in routes.items()}
        assert sum(0 < share < 1 for share in shares.values()) > 1, shares
    copy.execution = "sparse"
    np.testing.assert_array_equal(copy.cost(unseen[:50]), costs[:50])


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"how": "exit", "where": ["b1_out"]}, "`where` means nothing with how='exit'"),
    ({"how": "skip", "exits": ["b1_out"]}, "`exits` means nothing with how='skip'"),
    ({"how": "skip", "junction": "confidence"}, "`junction` means nothing with how='skip'"),
    ({"how": "exit", "junction": "sure"}, "`junction` must be"),
    ({"how": "exit", "exits": "b1_out"}, "`exits` must be a list of names"),
    ({"how": "exit", "exits": ["b1_ou"]}, "Unknown layer 'b1_ou'. Did you mean: b1_out"),
    (
        {"how": "exit", "exits": ["b1_1_conv"]},
        "'b1_1_conv', behind which images cannot leave: .* later reads 'stem_relu'",
    ),
    ({"how": "exit", "exits": ["pool"]}, r"images cannot leave: it makes no maps, but \(None, 8\)"),
    ({"how": "both", "exits": ["b1_1_conv"]}, "it is inside of a block that can be skipped"),
    ({"how": "exit", "exits": ["predictions"]}, "images cannot leave"),
    ({"how": "exit", "kind": "transferred"}, "must have residual blocks of two sizes of maps"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSALS)
def test_places_that_are_none(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        routed(**arguments)


def test_a_network_without_such_blocks_is_told_where_images_could_leave() -> None:
    image = keras.Input((32, 32, 3))
    x = keras.layers.AveragePooling2D(2, name="smaller")(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(x)
    x = keras.layers.MaxPooling2D(name="half")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", name="second")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, name="third")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    with pytest.raises(ValueError, match=r"such as exits=\['first', 'second'\]"):
        tf_routing.add_routing(model, "exit")
    assert len(tf_routing.add_routing(model, "exit", exits=["first", "second"]).decision_names) == 2
