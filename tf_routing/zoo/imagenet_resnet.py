"""Bottleneck residual nets of ImageNet's widths, with one path or several, their convolutions whole or in groups.

Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, section 6.2, Table 4, and the static
baselines of Su et al., *Dynamic Multi-path Neural Network*, after He et al., *Deep Residual Learning for Image
Recognition*, section 4.1, and Xie et al., *Aggregated Residual Transformations for Deep Neural Networks*, section 3.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras

from tf_routing.models import RoutedModel
from tf_routing.validation import one_of, positive_integer
from tf_routing.zoo import blocks

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4
_STEMS = {"imagenet": blocks.imagenet_stem, "cifar": blocks.cifar_stem}


class _Stage(NamedTuple):
    number: int
    blocks: int
    inner: int
    outer: int
    groups: int


def build(
    *,
    stage_blocks: Sequence[int],
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    paths: int = 1,
    router: str | None = None,
    hidden: int = 16,
    groups: int = 1,
    inner_widths: Sequence[int] | None = None,
    stem: str = "imagenet",
    average: str = "logits",
    standardize: Any = None,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of four stages of bottleneck blocks behind a shared stem.

    With `"cc"` a one-to-many connector follows the stem's pool and a cross-connection each stage.

    Args:
        stage_blocks: Blocks of each of the four stages.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add global pooling and the heads.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        paths: Integer, number of parallel paths.
        router: `None` or `"cc"`.
        hidden: Integer, hidden units of each gate.
        groups: Integer, groups of channels that the 3x3 convolutions keep apart.
        inner_widths: Channels of the two inner convolutions of a bottleneck, one integer for each stage; 64, 128, 256
            and 512 by default.
        stem: `"imagenet"`, a 7x7 convolution of stride 2, or `"cifar"`, a 3x3 convolution of stride 1; each before a
            3x3 max-pool of stride 2.
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution widths; inner ones stay multiples of `groups`.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `router`, `stem` or `average` is not known, or `groups` does not divide the `inner_widths`.
    """
    one_of("router", router, (None, "cc"))
    one_of("stem", stem, _STEMS)
    inner_widths = _WIDTHS if inner_widths is None else inner_widths
    _check_widths(inner_widths, groups)
    image, x = blocks.image_input(input_shape, standardize)
    x = _STEMS[stem](x, blocks.scaled(_WIDTHS[0], width_multiplier))
    tensors = blocks.connect([x], paths, 1, hidden) if router else [x] * paths
    for stage in _stages(stage_blocks, inner_widths, groups, width_multiplier):
        tensors = [_run_stage(x, stage, blocks.path_prefix(path, paths)) for path, x in enumerate(tensors, 1)]
        if router:
            tensors = blocks.connect(tensors, paths, stage.number + 1, hidden)
    return blocks.finished_model(image, tensors, include_top, pooling, classes, classifier_activation, name, average)


def _stages(
    stage_blocks: Sequence[int], inner_widths: Sequence[int], groups: int, multiplier: float
) -> Iterator[_Stage]:
    for number, (count, inner, width) in enumerate(zip(stage_blocks, inner_widths, _WIDTHS, strict=True), 1):
        outer = _EXPANSION * blocks.scaled(width, multiplier)
        yield _Stage(number, count, blocks.scaled(inner, multiplier, groups), outer, groups)


def _check_widths(inner_widths: Any, groups: Any) -> None:
    positive_integer("groups", groups)
    widths = inner_widths if isinstance(inner_widths, (list, tuple)) else ()
    whole = [type(width) is int and width > 0 and width % groups == 0 for width in widths]
    if len(whole) != len(_WIDTHS) or not all(whole):
        raise ValueError(
            "`inner_widths` must be four positive integers that `groups` divides. "
            f"Received: inner_widths={inner_widths!r}, groups={groups!r}"
        )


def _run_stage(x: Any, stage: _Stage, prefix: str) -> Any:
    for block in range(1, stage.blocks + 1):
        strides = 2 if stage.number > 1 and block == 1 else 1
        x = _bottleneck(x, stage, strides, f"{prefix}stage_{stage.number}_block_{block}")
    return x


def _bottleneck(x: Any, stage: _Stage, strides: int, name: str) -> Any:
    inner, outer = stage.inner, stage.outer
    residual = blocks.conv(x, inner, f"{name}_conv_1", kernel=1, use_bias=False)
    residual = blocks.conv(residual, inner, f"{name}_conv_2", strides=strides, groups=stage.groups, use_bias=False)
    residual = blocks.conv(residual, outer, f"{name}_conv_3", kernel=1, use_bias=False, relu=False)
    if strides > 1 or x.shape[-1] != outer:
        x = blocks.conv(x, outer, f"{name}_shortcut", kernel=1, strides=strides, use_bias=False, relu=False)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, residual]))
