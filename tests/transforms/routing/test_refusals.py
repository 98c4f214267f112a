"""What cannot be routed is refused, or left alone, with its name and the reason."""

from collections.abc import Callable
from typing import Any

import keras
import pytest

import tf_routing
from tests.transforms.routing.own_nets import SHAPE, own_net
from tf_routing.layers import SkipRouter
from tf_routing.transforms.routing.flat_calls import list_calls
from tf_routing.transforms.routing.residual_blocks import find_residual_blocks


def _conv(name: str, width: int = 3) -> keras.layers.Layer:
    return keras.layers.Conv2D(width, 3, padding="same", name=name)


def _answer(x: Any) -> Any:
    return keras.layers.Dense(2, "softmax", name="predictions")(keras.layers.GlobalAveragePooling2D()(x))


def _projected(x: Any) -> Any:
    return keras.layers.Add(name="sum")([_conv("shortcut")(x), _conv("conv")(x)])


def _shared(x: Any) -> Any:
    conv = _conv("conv")
    return keras.layers.Add(name="sum")([x, conv(conv(x))])


def _read_outside(x: Any) -> Any:
    y = _conv("conv_1")(x)
    x = keras.layers.Add(name="sum")([x, _conv("conv_2")(y)])
    return keras.layers.Concatenate(name="outside")([x, y])


def _of_three(x: Any) -> Any:
    return keras.layers.Add(name="sum")([x, _conv("conv_1")(x), _conv("conv_2")(x)])


def _broadcast(x: Any) -> Any:
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name="means")(x)
    return keras.layers.Add(name="sum")([x, y])


def _training(x: Any) -> Any:
    y = keras.layers.BatchNormalization(name="norm")(_conv("conv")(x), training=True)
    return keras.layers.Add(name="sum")([x, y])


def _first_channels(x: Any) -> Any:
    return keras.layers.Add(name="sum")([x, keras.layers.Conv2D(8, 1, data_format="channels_first", name="conv")(x)])


REASONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "projection": (_projected, "made by 'shortcut' and 'conv', is computed from the other alone"),
    "shared": (_shared, "'conv' inside of it is called more than once"),
    "read outside": (_read_outside, "'conv_1' inside of it is read outside of it too, by 'outside'"),
    "three": (_of_three, "it adds 3 tensors, not two"),
    "broadcast": (_broadcast, r"it adds tensors of the shapes \(8, 8, 3\) and \(1, 1, 3\)"),
    "training": (_training, "'norm' inside of it is called with training=True"),
    "channels first": (_first_channels, "'conv' inside of it has its channels first"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_sums_that_end_no_block_are_named_with_the_reason(kind: str) -> None:
    function, reason = REASONS[kind]
    image = keras.Input(SHAPE, name="image")
    model = keras.Model(image, _answer(function(image)), name="mine")
    with pytest.raises(ValueError, match=f"'mine' has none that can be skipped. Left alone: sum: .*{reason}"):
        tf_routing.add_routing(model, input_range=(0, 1))
    with pytest.raises(ValueError, match=f"`where` names 'sum', which cannot be skipped: .*{reason}"):
        tf_routing.add_routing(_with_a_block(model), where=["sum"], input_range=(0, 1))


def _with_a_block(model: keras.Model) -> keras.Model:
    """The same network with a block in front of it that can be skipped."""
    image = keras.Input(SHAPE)
    return keras.Model(image, model(keras.layers.Add(name="good")([image, _conv("good_conv")(image)])))


def test_the_shape_changing_block_is_left_alone() -> None:
    found = find_residual_blocks(list_calls(own_net()))
    assert [block.name for block in found.blocks] == ["b1_out", "b3_out"]
    assert [each.name for each in found.left_alone] == ["b2_add"]


def test_of_nested_blocks_the_inner_ones_are_skipped() -> None:
    image = keras.Input(SHAPE, name="image")
    inner = keras.layers.Add(name="inner")([image, _conv("conv")(image)])
    outer = keras.layers.Add(name="outer")([image, _conv("last")(inner)])
    model = keras.Model(image, _answer(outer))
    names = {
        where and where[0]: [
            layer.name for layer in tf_routing.add_routing(model, where=where, input_range=(0, 1)).layers
        ]
        for where in (None, ["outer"])
    }
    assert "inner" in names[None] and "outer" in names[None] and "conv" not in names[None] and "last" in names[None]
    assert "outer" in names["outer"] and "inner" not in names["outer"]
    with pytest.raises(ValueError, match="'inner', which is inside of 'outer'"):
        tf_routing.add_routing(model, where=["outer", "inner"], input_range=(0, 1))


class _Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


class _Flipped(keras.Model):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(keras.ops.flip(inputs, axis=1), training=training)


def _flipped() -> keras.Model:
    model = own_net()
    return _Flipped(model.inputs[0], model.outputs[0])


def _several(inputs: int, outputs: int) -> keras.Model:
    images = [keras.Input(SHAPE, name=f"image_{n}") for n in range(inputs)]
    x = images[0] if inputs == 1 else keras.layers.Average()(images)
    return keras.Model(images, [_answer(x) if not n else keras.layers.Flatten()(x) for n in range(outputs)])


def _ending(function: Callable[[Any], Any]) -> keras.Model:
    image = keras.Input(SHAPE, name="image")
    return keras.Model(image, function(keras.layers.Add(name="sum")([image, _conv("conv")(image)])), name="mine")


def _dense(activation: Any) -> Callable[[Any], Any]:
    return lambda x: keras.layers.Dense(2, activation, name="predictions")(keras.layers.GlobalAveragePooling2D()(x))


def softmax(x: Any) -> Any:
    """Of the name of Keras's, and twice as sure."""
    return keras.ops.softmax(2 * x)


class _Head(keras.layers.Layer):
    """Two logits of means, and an activation."""

    activation = staticmethod(keras.activations.softmax)

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 2))

    def call(self, inputs: Any) -> Any:
        return self.activation(keras.ops.mean(inputs, axis=(1, 2)) @ self.kernel)


class _Sharper(keras.layers.Dense):
    def call(self, inputs: Any) -> Any:
        return super().call(3 * inputs)


def _einsum(x: Any) -> Any:
    return keras.layers.EinsumDense("bc,cd->bd", 2, activation="softmax")(x)


def _twice(x: Any) -> Any:
    last, x = keras.layers.Dense(3, "softmax", name="predictions"), keras.layers.GlobalAveragePooling2D()(x)
    return last(keras.layers.Add()([last(x), x]))


MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "subclassed": (_Subclassed, "must be a functional model or a built Sequential"),
    "several inputs": (lambda: _several(2, 1), "must have one input. .*image_0, image_1"),
    "several outputs": (lambda: _several(1, 2), "must have one output"),
    "no images": (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")]), "must take images"),
    "no top": (lambda: _ending(lambda x: x), r"include_top=False. Received: answers of shape \(None, 8, 8, 3\)"),
    "call": (_flipped, "of type _Flipped, whose `call` is its own"),
    "sigmoid": (lambda: _ending(_dense("sigmoid")), "'predictions', which ends in the activation 'sigmoid'"),
    "own softmax": (lambda: _ending(_dense(softmax)), "ends in the activation 'softmax of its own'"),
    "layer": (lambda: _ending(_dense(keras.layers.Softmax())), "ends in the activation 'Softmax'"),
    "own head": (lambda: _ending(_Head(name="head")), "'softmax of a _Head, which cannot be taken off'"),
    "einsum": (
        lambda: _ending(lambda x: _einsum(keras.layers.GlobalAveragePooling2D()(x))),
        "'softmax of a EinsumDense, which cannot be taken off'",
    ),
    "own dense": (
        lambda: _ending(lambda x: _Sharper(2, "softmax")(keras.layers.GlobalAveragePooling2D()(x))),
        "'softmax of a _Sharper, which cannot be taken off'",
    ),
    "twice": (lambda: _ending(_twice), "must call its last layer once.* 'predictions', which is called elsewhere too"),
    "routed": (lambda: tf_routing.add_routing(own_net(), input_range=(0, 1)), "must not be routed yet"),
    "nothing": (
        lambda: keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]),
        "adds nothing anywhere",
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_that_cannot_be_routed(kind: str) -> None:
    build, message = MODELS[kind]
    with pytest.raises(ValueError, match=message):
        tf_routing.add_routing(build(), input_range=(0, 1))
    # Cascades may be of other things than images, and have nothing to find.
    if kind not in ("no images", "routed", "nothing"):
        model = build()
        with pytest.raises(ValueError, match=r"`models\[0\]`"):
            tf_routing.cascade([model, model], input_range=(0, 1))


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"how": "skpi"}, "`how` must be one of"),
    ({"where": ["b1_ot"]}, "Unknown block 'b1_ot'. Did you mean: b1_out"),
    ({"where": "b1_out"}, "must be a list of names"),
    ({"where": []}, "must be a list of names"),
    ({"router": SkipRouter()}, "must start open"),
    ({"router": SkipRouter(init_open_rate=0.4)}, "must start open"),
    ({"router": SkipRouter("recurrent")}, "of kind 'linear' or 'conv'"),
    ({"router": SkipRouter(decision="bernoulli", init_open_rate=0.9)}, "decides by a threshold"),
    ({"router": "linear"}, "must be a layers.SkipRouter"),
    ({"input_range": (1, 0)}, "`input_range` must be two numbers"),
    ({"input_range": 255}, "`input_range` must be two numbers"),
    ({"classifier_activation": "softmax"}, "must be None for a network that ends in a softmax"),
    ({"classifier_activation": "relu"}, "`classifier_activation` must be one of"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tf_routing.add_routing(own_net(), **{"input_range": (0, 1), **arguments})


class _WithoutConfig(keras.layers.Layer):
    def __init__(self, factor: object, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return inputs


def test_a_layer_that_cannot_be_copied_is_named() -> None:
    model = _ending(lambda x: _answer(_WithoutConfig(object(), name="mine")(x)))
    with pytest.raises(ValueError, match="Layer 'mine' of type _WithoutConfig cannot be copied"):
        tf_routing.add_routing(model, input_range=(0, 1))
