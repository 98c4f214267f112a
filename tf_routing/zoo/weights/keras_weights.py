"""Takes the ImageNet weights of `keras.applications` for the networks of the zoo whose layers agree with theirs.

The networks of `keras.applications` convolve with biases before batch normalisation, where ours have none: biases go
into the moving means. Its preprocessing becomes the network's first layer. Both are exact at inference.

Importing this module does not import Keras.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# Means per channel that its ResNets subtract from images in [0, 255], whose channels they take in the order BGR.
_RGB_MEANS = (123.68, 116.779, 103.939)
_RESNET = {"keras_strides": True, "standardize": (tuple(mean / 255 for mean in _RGB_MEANS), (1 / 255,) * 3)}
_MOBILENET = {"standardize": ((0.5,) * 3, (0.5,) * 3)}
_MOBILENET_SIDES = (96, 128, 160, 192, 224)
_SIDE = 224


def _name_in_resnet(name: str) -> str:
    found = re.fullmatch(r"stage_(\d)_block_(\d+)_(?:conv_(\d)|shortcut)(_bn)?", name)
    if found is None:
        return {"stem": "conv1_conv", "stem_bn": "conv1_bn", "head": "predictions"}[name]
    stage, block, convolution, normalization = found.groups()
    return f"conv{int(stage) + 1}_block{block}_{convolution or 0}_{'bn' if normalization else 'conv'}"


def _name_in_mobilenet(name: str) -> str:
    found = re.fullmatch(r"block_(\d+)_([a-z]+)(_bn)?", name)
    if found is None:
        ends = {"stem": "Conv1", "stem_bn": "bn_Conv1", "last": "Conv_1", "last_bn": "Conv_1_bn"}
        return {**ends, "head": "predictions"}[name]
    number, part, normalization = found.groups()
    # Its blocks count from 0, and the first one is named otherwise.
    block = f"block_{int(number) - 1}" if int(number) > 1 else "expanded_conv"
    return f"{block}_{part}{'_BN' if normalization else ''}"


class _Application(NamedTuple):
    """A network of `keras.applications`, and what makes a network of ours agree with it.

    Args:
        name: Its name there.
        file: Name of the file of its weights.
        arguments: Arguments of our builder.
        layer_name: Function from the name of a layer of ours to the name of theirs.
        reversed_channels: Boolean, whether it reads the channels of images in the order BGR.
        sides: Sizes of images for which there are weights.
    """

    name: str
    file: str
    arguments: dict[str, Any]
    layer_name: Callable[[str], str]
    reversed_channels: bool = False
    sides: tuple[int, ...] = (_SIDE,)


_RESNET_FILE = "resnet{depth}_weights_tf_dim_ordering_tf_kernels.h5"
_MOBILENET_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{side}.h5"
_APPLICATIONS = {
    **{
        f"resnet{depth}": _Application(
            f"ResNet{depth}", _RESNET_FILE.replace("{depth}", depth), _RESNET, _name_in_resnet, True
        )
        for depth in ("50", "101")
    },
    "mobilenetv2": _Application("MobileNetV2", _MOBILENET_FILE, _MOBILENET, _name_in_mobilenet, sides=_MOBILENET_SIDES),
}

IMAGENET_NAMES = tuple(_APPLICATIONS)


def match_arguments(
    architecture: str,
    input_shape: tuple[int | None, int | None, int],
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the arguments with which our network agrees with that of `keras.applications`.

    Args:
        architecture: A name of the zoo.
        input_shape: Tuple `(height, width, channels)`.
        given: The family's arguments that the user gave.
        defaults: The family's arguments by default.

    Raises:
        ValueError: If there are no such weights for the network, or they do not fit what was given.
    """
    if architecture not in _APPLICATIONS:
        raise ValueError(
            f"`weights='imagenet'` is there for {', '.join(IMAGENET_NAMES)}, whose layers agree with those of "
            f"keras.applications; several paths start from one of them: tf_routing.widen_paths. "
            f"Received: {architecture!r}"
        )
    if input_shape[2] != 3:
        raise ValueError(f"`input_shape` must have 3 channels with weights='imagenet'. Received: {input_shape!r}")
    needed = _APPLICATIONS[architecture].arguments
    for argument, value in given.items():
        expected = needed.get(argument, defaults[argument])
        if value != expected:
            raise ValueError(
                f"`{argument}` must be {expected!r} with weights='imagenet'. Received: {argument}={value!r}"
            )
    return needed


def fetch(architecture: str, input_shape: tuple[int | None, int | None, int]) -> Any:
    """Returns the network of `keras.applications` with its weights, from its cache or downloaded into it.

    Raises:
        OSError: If the file is neither there nor to be had.
    """
    import keras

    application = _APPLICATIONS[architecture]
    # One file per size; ours for other sizes takes that of the default size, as `keras.applications` does.
    square = input_shape[0] == input_shape[1] and input_shape[0] in application.sides
    side = input_shape[0] if square else _SIDE
    try:
        return getattr(keras.applications, application.name)(weights="imagenet", input_shape=(side, side, 3))
    # Keras raises a bare `Exception` where a download fails.
    except Exception as error:
        folder = os.path.join(os.environ.get("KERAS_HOME", os.path.join("~", ".keras")), "models")
        raise OSError(
            f"No ImageNet weights for {architecture!r}: keras.applications.{application.name} failed with: {error} "
            f"Without a connection, put {application.file.format(side=side)} into {folder} (KERAS_HOME moves it)."
        ) from error


def transfer(model: Any, source: Any, architecture: str) -> list[str]:
    """Gives a network of ours the weights of one of `keras.applications`.

    Args:
        model: Our network, built with `match_arguments`.
        source: Theirs.
        architecture: Our network's name in the zoo.

    Returns:
        Names of the layers that stay fresh: the head, where it has other classes.
    """
    import keras

    application, fresh = _APPLICATIONS[architecture], []
    for layer in (layer for layer in model.layers if layer.weights):
        origin = source.get_layer(application.layer_name(layer.name))
        weights = origin.get_weights()
        if layer.name == "head" and weights[0].shape != tuple(layer.kernel.shape):
            fresh.append(layer.name)
            continue
        if isinstance(layer, keras.layers.BatchNormalization):
            convolution = source.get_layer(application.layer_name(layer.name.removesuffix("_bn")))
            # Gamma, beta, mean, variance.
            weights[2] = weights[2] - (convolution.get_weights()[1] if convolution.use_bias else 0.0)
            layer.epsilon = origin.epsilon
        elif layer.name == "stem" and application.reversed_channels:
            weights[0] = weights[0][:, :, ::-1]
        layer.set_weights(weights[: len(layer.weights)])
    return fresh
