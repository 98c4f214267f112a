"""Residual nets of ImageNet's widths, with one path or several, of basic blocks or bottlenecks, whole or in groups.

Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, section 6.3, Table 4, and the static
baselines of Su et al., *Dynamic Multi-path Neural Network*, after He et al., *Deep Residual Learning for Image
Recognition*, section 4.1, Zagoruyko and Komodakis, *Wide Residual Networks*, and Xie et al., *Aggregated Residual
Transformations for Deep Neural Networks*, section 3. Tissera et al. write that each stack starts with a strided block;
here, as in He et al., the first one keeps the size that the stem's pool leaves.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_routing.models import RoutedModel
from tf_routing.support.validation import is_integer, one_of, positive_integer
from tf_routing.zoo.builders import blocks, residual

_WIDTHS = (64, 128, 256, 512)
_STEM_WIDTH = 64
_EXPANSION = 4
_STEMS = {"imagenet": blocks.imagenet_stem, "cifar": blocks.cifar_stem}


class _Stage(NamedTuple):
    number: int
    blocks: int
    inner: int
    outer: int
    groups: int
    bottleneck: bool


def build(
    *,
    stage_blocks: Sequence[int],
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    bottleneck: bool = True,
    paths: int = 1,
    router: str | None = None,
    hidden: int = 16,
    groups: int = 1,
    widths: Sequence[int] | None = None,
    inner_widths: Sequence[int] | None = None,
    stem: str = "imagenet",
    keras_strides: bool = False,
    average: str = "logits",
    standardize: Any = None,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of four stages behind a shared stem.

    With `"cc"` a one-to-many connector follows the stem's pool and a cross-connection each stage. With `"cp"` 3x3
    cross-predictions of stride 1 stand in the same places, as wide as what they read, but for the last: none follows
    the fourth stage. Cross-predictions here are our choice, after those of the paper's nets for CIFAR; at this size the
    paper trains cross-connections only, for the cost of the others.

    Args:
        stage_blocks: Blocks of each of the four stages.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add global pooling and the heads.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        bottleneck: Boolean: bottlenecks that end four times as wide as their stage, or basic blocks.
        paths: Integer, number of parallel paths.
        router: `None`, `"cc"` or `"cp"`.
        hidden: Integer, hidden units of each gate.
        groups: Integer, groups of channels that the 3x3 convolutions of bottlenecks keep apart.
        widths: Widths of the four stages; 64, 128, 256 and 512 by default. The stem has 64 channels whatever they are.
        inner_widths: Channels of a block's convolutions before its last, one integer for each stage; `widths` by
            default.
        stem: `"imagenet"`, a 7x7 convolution of stride 2, or `"cifar"`, a 3x3 convolution of stride 1; each before a
            3x3 max-pool of stride 2.
        keras_strides: Boolean, whether strides are where `keras.applications` has them: in the first convolution of a
            bottleneck rather than the 3x3 one, and in a stem's pool that is padded on both sides.
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution widths; inner ones stay multiples of `groups`.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `router`, `stem` or `average` is not known, `paths` or a width is not a positive integer, or
            `groups` does not divide the `inner_widths`, or is more than one for basic blocks.
    """
    one_of("router", router, (None, "cc", "cp"))
    one_of("stem", stem, _STEMS)
    one_of("average", average, ("logits", "probs"))
    one_of("keras_strides", keras_strides, (False, True))
    positive_integer("paths", paths)
    stages = _stages(stage_blocks, bottleneck, widths, inner_widths, groups, width_multiplier)
    image, x = blocks.image_input(input_shape, standardize)
    x = _STEMS[stem](x, blocks.scaled(_STEM_WIDTH, width_multiplier), pad_pool=keras_strides)
    tensors = _mixed([x], paths, router, 1, hidden) if router else [x] * paths
    for stage in stages:
        tensors = [
            _run_stage(x, stage, blocks.path_prefix(path, paths), keras_strides) for path, x in enumerate(tensors, 1)
        ]
        if router == "cc" or (router == "cp" and stage is not stages[-1]):
            tensors = _mixed(tensors, paths, router, stage.number + 1, hidden)
    return blocks.finished_model(image, tensors, include_top, pooling, classes, classifier_activation, name, average)


def _stages(
    stage_blocks: Sequence[int], bottleneck: bool, widths: Any, inner_widths: Any, groups: Any, multiplier: float
) -> list[_Stage]:
    widths = _WIDTHS if widths is None else widths
    inner_widths = widths if inner_widths is None else inner_widths
    _check_widths(widths, inner_widths, groups, bottleneck)
    expansion = _EXPANSION if bottleneck else 1
    inner = [blocks.scaled(width, multiplier, groups) for width in inner_widths]
    outer = [expansion * blocks.scaled(width, multiplier) for width in widths]
    numbers = range(1, len(stage_blocks) + 1)
    return [_Stage(*each, groups, bottleneck) for each in zip(numbers, stage_blocks, inner, outer, strict=True)]


def _check_widths(widths: Any, inner_widths: Any, groups: Any, bottleneck: bool) -> None:
    positive_integer("groups", groups)
    if groups > 1 and not bottleneck:
        raise ValueError(f"`groups` must be 1 where blocks are no bottlenecks. Received: groups={groups!r}")
    if not _four(widths, 1):
        raise ValueError(f"`widths` must be four positive integers. Received: widths={widths!r}")
    if not _four(inner_widths, groups):
        raise ValueError(
            "`inner_widths` must be four positive integers that `groups` divides. "
            f"Received: inner_widths={inner_widths!r}, groups={groups!r}"
        )


def _four(widths: Any, divisor: int) -> bool:
    widths = widths if isinstance(widths, (list, tuple)) else ()
    return len(widths) == len(_WIDTHS) and all(
        is_integer(width) and width > 0 and width % divisor == 0 for width in widths
    )


def _run_stage(x: Any, stage: _Stage, prefix: str, strides_first: bool) -> Any:
    for block in range(1, stage.blocks + 1):
        strides = 2 if stage.number > 1 and block == 1 else 1
        name = f"{prefix}stage_{stage.number}_block_{block}"
        if stage.bottleneck:
            x = residual.bottleneck(
                x, stage.inner, stage.outer, strides, name, groups=stage.groups, strides_first=strides_first
            )
        else:
            x = residual.basic_block(x, stage.inner, stage.outer, strides, name)
    return x


def _mixed(tensors: list[Any], paths: int, router: str, route: int, hidden: int) -> list[Any]:
    if router == "cc":
        return blocks.connect(tensors, paths, route, hidden)
    return blocks.predict(tensors, paths, route, hidden, filters=tensors[0].shape[-1], use_bias=False)
