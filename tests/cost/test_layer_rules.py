"""Multiply-accumulates of layers and graphs of layers, by hand."""

from typing import Any

import keras
import numpy as np
import pytest

from tf_routing.cost import layer_costs, static_macs
from tf_routing.layers import CrossConnection, CrossPrediction, CrossStitch, Gate, SqueezeExcite


@keras.saving.register_keras_serializable(package="tests")
class Scaled(keras.layers.Layer):
    """A layer with a kernel whose cost nobody knows."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1],))

    def call(self, inputs: Any) -> Any:
        return inputs * self.kernel


class ScaledWithCost(Scaled):
    """The same layer, its cost known."""

    def macs(self, input_shape: Any) -> int:
        return 1234


def macs_of(layer: Any, *shapes: tuple[int, ...]) -> int:
    inputs = [keras.Input(shape) for shape in shapes]
    return static_macs(keras.Model(inputs, layer(inputs[0] if len(inputs) == 1 else inputs)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"filters": 4, "kernel_size": 3, "padding": "same"}, 8 * 6 * 4 * 9 * 6),
        ({"filters": 4, "kernel_size": 3, "padding": "valid"}, 6 * 4 * 4 * 9 * 6),
        ({"filters": 4, "kernel_size": (1, 3), "padding": "same"}, 8 * 6 * 4 * 3 * 6),
        ({"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2}, 4 * 3 * 4 * 9 * 6),
        ({"filters": 4, "kernel_size": 3, "padding": "same", "groups": 2}, 8 * 6 * 4 * 9 * 3),
        ({"filters": 4, "kernel_size": 3, "padding": "same", "dilation_rate": 2}, 8 * 6 * 4 * 9 * 6),
        ({"filters": 4, "kernel_size": 1, "use_bias": False}, 8 * 6 * 4 * 6),
    ],
)
def test_convolutions(arguments: dict[str, Any], expected: int) -> None:
    assert macs_of(keras.layers.Conv2D(**arguments), (8, 6, 6)) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"kernel_size": 3, "padding": "same"}, 8 * 6 * 5 * 9),
        ({"kernel_size": 3, "padding": "same", "strides": 2}, 4 * 3 * 5 * 9),
        ({"kernel_size": 3, "padding": "same", "depth_multiplier": 2}, 8 * 6 * 10 * 9),
    ],
)
def test_depthwise_convolutions(arguments: dict[str, Any], expected: int) -> None:
    assert macs_of(keras.layers.DepthwiseConv2D(**arguments), (8, 6, 5)) == expected


def test_dense_on_vectors_and_at_every_position_of_maps() -> None:
    assert macs_of(keras.layers.Dense(7), (5,)) == 35
    assert macs_of(keras.layers.Dense(7), (3, 2, 5)) == 6 * 35


def test_gate() -> None:
    assert macs_of(Gate(3), (8, 6, 5)) == 16 * 5 + 16 * 3
    assert macs_of(Gate(3, hidden=4), (5,)) == 4 * 5 + 4 * 3


def test_cross_connection_costs_its_gates() -> None:
    assert macs_of(CrossConnection(3), (8, 6, 5)) == 16 * (5 + 3)
    assert macs_of(CrossConnection(3), (8, 6, 5), (8, 6, 5)) == 2 * 16 * (5 + 3)


def test_cross_prediction_costs_its_gates_and_kernels() -> None:
    gates = 2 * 16 * (5 + 3)
    assert macs_of(CrossPrediction(3, filters=4), (8, 6, 5), (8, 6, 5)) == gates + 2 * 3 * 8 * 6 * 9 * 5 * 4
    assert macs_of(CrossPrediction(3, filters=4, kernel_size=1), (8, 6, 5), (8, 6, 5)) == gates + 2 * 3 * 8 * 6 * 5 * 4
    assert macs_of(CrossPrediction(3, units=4), (5,), (5,)) == gates + 2 * 3 * 5 * 4


def test_squeeze_excite() -> None:
    assert macs_of(SqueezeExcite(hidden=4), (8, 6, 12)) == 2 * 12 * 4
    assert macs_of(SqueezeExcite(ratio=6), (8, 6, 12)) == 2 * 12 * 2


def test_what_has_no_kernel_costs_nothing() -> None:
    x = image = keras.Input((8, 6, 5))
    for layer in (keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.MaxPooling2D()):
        x = layer(x)
    assert static_macs(keras.Model(image, CrossStitch(2)([x, x]))) == 0


def body(channels: int) -> keras.Model:
    inputs = keras.Input((4, 4, channels))
    return keras.Model(inputs, keras.layers.Conv2D(6, 1, name="inner")(inputs), name="body")


def test_nested_models_are_unfolded() -> None:
    image = keras.Input((4, 4, 3))
    features = keras.layers.GlobalAveragePooling2D()(body(3)(image))
    model = keras.Model(image, keras.layers.Dense(2, name="outer")(features))
    rows = {row.layer: row for row in layer_costs(model)}
    inner, outer = rows["body/inner"], rows["outer"]
    assert (inner.macs, outer.macs) == (16 * 18, 12)
    assert (inner.parameters, outer.parameters) == (18 + 6, 12 + 2)
    assert inner.output_shape == (None, 4, 4, 6) and inner.gate is outer.gate is None
    assert not {"body", "inner"} & set(rows)
    assert static_macs(model) == 16 * 18 + 12


def test_models_nested_twice_deep() -> None:
    image, middle = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    outer = keras.Model(middle, keras.layers.Conv2D(2, 1, name="last")(body(3)(middle)), name="outer")
    macs = {row.layer: row.macs for row in layer_costs(keras.Model(image, outer(image))) if row.macs}
    assert macs == {"outer/body/inner": 16 * 18, "outer/last": 16 * 12}


def test_a_layer_with_a_kernel_and_no_known_cost_raises() -> None:
    with pytest.raises(ValueError, match="No cost is known for layer 'odd' of type Scaled: .*macs"):
        macs_of(Scaled(name="odd"), (5,))


@pytest.mark.parametrize("weight", ["kernel_2", "kernels"])
def test_a_layer_whose_kernels_have_names_of_its_own_raises_too(weight: str) -> None:
    class Other(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name=weight, shape=(input_shape[-1],))

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale

    with pytest.raises(ValueError, match="No cost is known for layer 'odd' of type Other"):
        macs_of(Other(name="odd"), (5,))


def test_a_frozen_layer_with_a_kernel_and_no_known_cost_raises() -> None:
    with pytest.raises(ValueError, match="No cost is known for layer 'odd'"):
        macs_of(Scaled(name="odd", trainable=False), (5,))


def test_separable_convolutions() -> None:
    layer = keras.layers.SeparableConv2D(4, 3, 2, padding="same", depth_multiplier=2)
    assert macs_of(layer, (8, 6, 5)) == 4 * 3 * (9 * 10 + 10 * 4)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2DTranspose(4, 3, name="odd"),
        keras.layers.TimeDistributed(keras.layers.Conv1D(4, 3), name="odd"),
    ],
    ids=["transpose", "wrapped"],
)
def test_kernel_layers_of_keras_with_no_known_cost_raise(layer: Any) -> None:
    with pytest.raises(ValueError, match="No cost is known for layer 'odd'"):
        macs_of(layer, (8, 6, 5))


def test_a_layer_may_say_its_own_cost() -> None:
    assert macs_of(ScaledWithCost(), (5,)) == 1234


def test_freezing_changes_no_cost() -> None:
    model = body(3)
    model.trainable = False
    assert static_macs(model) == 16 * 18


def test_a_layer_used_twice_costs_twice() -> None:
    small, large = keras.Input((4, 4, 3)), keras.Input((8, 8, 3))
    shared = keras.layers.Conv2D(2, 1)
    assert static_macs(keras.Model([small, large], [shared(small), shared(large)])) == (16 + 64) * 6


def test_a_nested_sequential_model_is_unfolded() -> None:
    image = keras.Input((4, 4, 3))
    stack = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(6, 1), keras.layers.Conv2D(2, 1)])
    assert static_macs(keras.Model(image, stack(image))) == 16 * 18 + 16 * 12


def test_an_input_of_unknown_size_is_named() -> None:
    image = keras.Input((None, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image), name="open")
    with pytest.raises(ValueError, match=r"The cost of 'open'.*Received: \(None, 8, 3\)"):
        static_macs(model)


def test_rows_sum_to_the_total_and_parameters_to_the_trainable_count() -> None:
    x = image = keras.Input((9, 8, 3))
    for layer in (keras.layers.Conv2D(6, 3), keras.layers.DepthwiseConv2D(3), keras.layers.Flatten()):
        x = layer(x)
    model = keras.Model(image, keras.layers.Dense(5)(x))
    rows = list(layer_costs(model))
    assert [row.layer for row in rows] == [layer.name for layer in model.layers]
    assert sum(row.macs for row in rows) == static_macs(model) == 42 * 6 * 27 + 20 * 6 * 9 + 120 * 5
    assert sum(row.parameters for row in rows) == sum(np.prod(weight.shape) for weight in model.trainable_weights)
