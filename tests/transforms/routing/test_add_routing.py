"""A network with routing added gives the same answers, and skips exactly its blocks."""

from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import BLOCKS, CLASSES, NETS, SHAPE, draw_scores, images, own_net
from tf_routing.layers import SkipBlock, SkipRouter

RANGE = (0, 255)
# The others take seconds to trace, and nothing else.
_SOME = ["residual", pytest.param("squeezed", marks=pytest.mark.heavy)]


def routed(kind: str = "residual", **arguments: Any) -> tf_routing.RoutedModel:
    return tf_routing.add_routing(own_net(kind), input_range=RANGE, **arguments)


@pytest.fixture(scope="module", params=NETS)
def pair(request: pytest.FixtureRequest) -> tuple[keras.Model, tf_routing.RoutedModel]:
    model = own_net(request.param)
    return model, tf_routing.add_routing(model, input_range=RANGE)


def test_predictions_are_the_same(pair: tuple[keras.Model, tf_routing.RoutedModel]) -> None:
    model, copy = pair
    for x in (images(), images().astype("uint8")):
        expected = np.asarray(model(x, training=False))
        # Other answers for other images, or the comparison would say nothing.
        assert expected.std(axis=0).max() > 1e-5
        np.testing.assert_array_equal(copy(x, training=False), expected)


@pytest.mark.parametrize("kind", _SOME)
def test_predictions_of_graphs_are_the_same(kind: str) -> None:
    model, copy = own_net(kind), routed(kind)
    expected = model.predict(images(), verbose=0)
    # Conditions keep TensorFlow from fusing operations as in the plain graph.
    np.testing.assert_allclose(copy.predict(images(), verbose=0), expected, rtol=1e-5)
    copy.execution = "masked"
    np.testing.assert_array_equal(copy.predict(images(), verbose=0), expected)


def test_blocks_have_the_names_of_what_ended_them(pair: tuple[keras.Model, tf_routing.RoutedModel]) -> None:
    model, copy = pair
    assert [layer.name for layer in copy.layers if isinstance(layer, SkipBlock)] == BLOCKS[model.name]
    assert copy.decision_names == [f"router_{n}" for n in range(1, len(BLOCKS[model.name]) + 1)]
    assert copy.get_layer("predictions").units == CLASSES


@pytest.mark.parametrize("kind", _SOME)
def test_masked_is_sparse_where_some_images_skip(kind: str) -> None:
    model, copy, x = own_net(kind), routed(kind), images()
    draw_scores(copy)
    tf_routing.calibrate(copy, x, 0.5)
    rates = [switches.mean() for switches in copy.routes(x).values()]
    assert all(0 < rate < 1 for rate in rates)
    answers = {}
    for execution in ("masked", "sparse"):
        copy.execution = execution
        answers[execution] = copy.predict(x, verbose=0)
    np.testing.assert_allclose(answers["sparse"], answers["masked"], atol=1e-5)
    assert np.abs(answers["masked"] - model(x)).max() > 1e-5


def test_a_closed_gate_skips_exactly_its_block() -> None:
    model, copy, x = own_net(), routed(), images()
    copy.get_layer("router_2").shift_thresholds(np.array([-10.0]))
    # By hand: the network from its stem on, with the last block left out.
    inner = keras.Model(model.input, model.get_layer("b2_out").output)(x)
    expected = model.get_layer("predictions")(keras.ops.mean(inner, axis=(1, 2)))
    np.testing.assert_allclose(copy(x), expected, atol=1e-6)


def test_cost_is_counted_by_hand() -> None:
    copy, x = routed(router=SkipRouter(hidden=2, init_open_rate=0.8)), images(2)
    # Convolutions of 8x8 positions with 4 channels, of 4x4 with 8; the projection; and the last dense layer.
    blocks = [2 * 64 * 9 * 4 * 4, 2 * 16 * 9 * 8 * 8]
    middle = 16 * 9 * 4 * 8 + 16 * 9 * 8 * 8 + 16 * 4 * 8
    routers = 2 * 4 + 2 * 2 + 2 * 8 + 2 * 2
    fixed = 64 * 9 * 3 * 4 + middle + routers + 8 * CLASSES
    assert copy.cost(x).tolist() == [fixed + sum(blocks)] * 2 == [copy.static_cost] * 2
    copy.get_layer("router_1").shift_thresholds(np.array([-10.0]))
    assert copy.cost(x).tolist() == [fixed + blocks[1]] * 2


def test_the_given_model_stays_as_it_is() -> None:
    model = own_net()
    before, weights = model.get_config(), model.get_weights()
    copy = tf_routing.add_routing(model, input_range=RANGE)
    for weight in copy.weights:
        weight.assign(np.zeros(weight.shape))
    assert model.get_config() == before
    assert all(np.array_equal(*each) for each in zip(model.get_weights(), weights, strict=True))
    assert all(layer.trainable for layer in model.layers)


def test_gates_train_alone_until_the_body_is_thawed() -> None:
    copy = routed()
    trained = {weight.path for weight in copy.trainable_weights}
    assert trained == {weight.path for n in (1, 2) for weight in copy.get_layer(f"router_{n}").weights}
    copy.compile("sgd")
    before = {weight.path: keras.ops.convert_to_numpy(weight) for weight in copy.weights}
    copy.fit(images(), np.arange(6) % CLASSES, verbose=0)
    changed = {
        weight.path
        for weight in copy.weights
        if not np.array_equal(before[weight.path], keras.ops.convert_to_numpy(weight))
    }
    # Kernels before scores of zeros have no gradient in the first step.
    assert changed and changed <= trained
    # The model itself is trainable already, and Keras sets nothing then.
    for layer in copy.layers:
        layer.trainable = True
    assert len(copy.trainable_weights) == len(own_net().trainable_weights) + len(trained)


def test_a_thawed_copy_has_the_flags_of_the_model() -> None:
    model = own_net()
    model.get_layer("b1_1_conv").trainable = False
    copy = tf_routing.add_routing(model, input_range=RANGE, freeze_body=False)
    branch = copy.get_layer("b1_out").sub_blocks[0]
    assert not branch.get_layer("b1_1_conv").trainable
    assert branch.get_layer("b1_2_conv").trainable and copy.get_layer("stem_conv").trainable


def test_in_training_gates_are_nearly_open() -> None:
    outputs = routed()(images(), training=True, return_outputs=True)
    assert 0.95 < float(np.min(outputs["router_1"])) < 1


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_routers_are_copies_of_the_one_given(kind: str) -> None:
    copy = routed(router=SkipRouter(kind, hidden=3, beta=4.0, init_open_rate=0.9, name="mine"))
    router = copy.get_layer("router_2")
    assert (router.kind, router.hidden, router.beta) == (kind, 3, 4.0)
    x = images()
    np.testing.assert_array_equal(copy(x), own_net()(x))


def test_blocks_are_chosen_by_name() -> None:
    for name in ("b3_out", "b3_add"):
        copy = routed(where=[name])
        assert [layer.name for layer in copy.layers if isinstance(layer, SkipBlock)] == ["b3_out"]
    # The layers of the other block are where they were.
    assert copy.get_layer("b1_1_conv").kernel.shape == (3, 3, 4, 4)


class _Flipped(keras.Model):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.ops.flip(super().call(inputs, training=training), axis=1)


def test_half_precision_is_kept() -> None:
    model = own_net(dtype="mixed_float16")
    copy, x = tf_routing.add_routing(model, input_range=RANGE), images()
    assert copy.get_layer("b1_out").compute_dtype == "float16"
    np.testing.assert_array_equal(copy(x), model(x))


def test_images_of_any_size() -> None:
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    y = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = keras.layers.Add(name="sum")([x, y])
    model = keras.Model(image, keras.layers.Dense(3, "softmax")(keras.layers.GlobalMaxPooling2D()(x)))
    copy = tf_routing.add_routing(model, input_range=RANGE)
    np.testing.assert_array_equal(copy(images()), model(images()))


def test_logits_get_a_softmax_where_asked_for() -> None:
    model = own_net()
    logits = keras.Model(model.input, model.layers[-2].output)
    logits = keras.Model(model.input, keras.layers.Dense(CLASSES, name="last")(logits.output))
    with pytest.raises(ValueError, match="ends in no softmax"):
        tf_routing.add_routing(logits, input_range=RANGE)
    copy = tf_routing.add_routing(logits, input_range=RANGE, classifier_activation="softmax")
    np.testing.assert_array_equal(copy(images()), keras.ops.softmax(logits(images())))


def test_a_model_inside_with_a_call_of_its_own_is_named() -> None:
    maps = keras.Input((None, None, 4))
    inner = _Flipped(maps, keras.layers.Conv2D(4, 3, padding="same")(maps), name="flipped")
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Add(name="sum")([x, inner(x)])
    model = keras.Model(image, keras.layers.Dense(3, "softmax")(keras.layers.GlobalMaxPooling2D()(x)))
    with pytest.raises(ValueError, match="model='flipped' of type _Flipped, whose `call` is its own"):
        tf_routing.add_routing(model, input_range=RANGE)


def test_a_network_of_bytes_takes_floats_where_asked() -> None:
    image = keras.Input(SHAPE, dtype="uint8")
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.Add(name="sum")([x, keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)])
    model = keras.Model(image, keras.layers.Dense(3, "softmax")(keras.layers.GlobalMaxPooling2D()(x)))
    x = np.random.default_rng(5).integers(256, size=(6, *SHAPE)).astype("uint8")
    copy = tf_routing.add_routing(model, unit_input=True)
    np.testing.assert_allclose(copy(x.astype("float32") / 255), model(x), rtol=0, atol=1e-5)
    copy = tf_routing.add_routing(model)
    np.testing.assert_array_equal(copy(x), model(x))


def test_shape_of_images() -> None:
    assert routed().input_shape == (None, *SHAPE)
