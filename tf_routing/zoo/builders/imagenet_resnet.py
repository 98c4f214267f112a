"""Residual nets of ImageNet's widths, with one path or several, of basic blocks or bottlenecks, whole or in groups.

Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450, section 6.3,
Table 4, and the static baselines of Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, section
4.2, Tables 1 and 3. Blocks and stages are those of He et al. (2015), *Deep Residual Learning for Image Recognition*,
arXiv:1512.03385, section 4.1, Table 1; wider ones of Zagoruyko and Komodakis (2016), *Wide Residual Networks*,
arXiv:1605.07146; groups of Xie et al. (2016), *Aggregated Residual Transformations for Deep Neural Networks*,
arXiv:1611.05431, section 3. Tissera et al. write that each stack starts with a strided block; here, as in He et al.,
the first one keeps the size that the stem's pool leaves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tf_routing.models import RoutedModel
from tf_routing.support.validation import is_integer, one_of, positive_integer
from tf_routing.zoo.builders.parts import blocks, residual
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.paths import Paths, connect, path_prefix, predict

_WIDTHS = (64, 128, 256, 512)
_STEM_WIDTH = 64
_EXPANSION = 4
_STEMS = {"imagenet": blocks.add_imagenet_stem, "cifar": blocks.add_cifar_stem}


@dataclass(frozen=True)
class StageLayout:
    """How many blocks the four stages have, of which kind, and how wide.

    Args:
        stage_blocks: Four integers, blocks of the stages.
        bottleneck: Boolean: bottlenecks that end four times as wide as their stage, or basic blocks.
        groups: Integer, groups of channels that the 3x3 convolutions of bottlenecks keep apart.
        widths: Widths of the four stages; 64, 128, 256 and 512 by default. The stem has 64 channels whatever they are.
        inner_widths: Channels of a block's convolutions before its last, one integer for each stage; `widths` by
            default.

    Raises:
        ValueError: If a width is not a positive integer, or `groups` does not divide the `inner_widths`, or is more
            than one for basic blocks.
    """

    stage_blocks: Sequence[int]
    bottleneck: bool = True
    groups: int = 1
    widths: Sequence[int] | None = None
    inner_widths: Sequence[int] | None = None

    def __post_init__(self) -> None:
        positive_integer("groups", self.groups)
        if self.groups > 1 and not self.bottleneck:
            raise ValueError(f"`groups` must be 1 where blocks are no bottlenecks. Received: groups={self.groups!r}")
        widths, inner = self.outer_widths(), self.widths_inside()
        if not _are_four(widths, 1):
            raise ValueError(f"`widths` must be four positive integers. Received: widths={widths!r}")
        if not _are_four(inner, self.groups):
            raise ValueError(
                "`inner_widths` must be four positive integers that `groups` divides. "
                f"Received: inner_widths={inner!r}, groups={self.groups!r}"
            )

    def outer_widths(self) -> Sequence[int]:
        """Returns the widths of the stages, before bottlenecks expand them."""
        return _WIDTHS if self.widths is None else self.widths

    def widths_inside(self) -> Sequence[int]:
        """Returns the channels of convolutions before a block's last, stage by stage."""
        return self.outer_widths() if self.inner_widths is None else self.inner_widths


class _Stage(NamedTuple):
    number: int
    blocks: int
    inner: int
    outer: int
    groups: int
    bottleneck: bool
    padding: str


def build(
    *,
    layout: StageLayout,
    head: Head,
    name: str,
    paths: Paths,
    stem: str = "imagenet",
    keras_strides: bool = False,
    padding: str = "same",
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of four stages behind a shared stem.

    With `"cc"` a one-to-many connector follows the stem's pool and a cross-connection each stage. With `"cp"` 3x3
    cross-predictions of stride 1 stand in the same places, as wide as what they read, but for the last: none follows
    the fourth stage. Cross-predictions here are our choice, after those of the paper's nets for CIFAR; at this size the
    paper trains cross-connections only, for the cost of the others.

    Args:
        layout: Blocks and widths of the stages.
        head: How the network ends.
        name: Name of the model.
        paths: The parallel paths and what routes between them.
        stem: `"imagenet"`, a 7x7 convolution of stride 2, or `"cifar"`, a 3x3 convolution of stride 1; each before a
            3x3 max-pool of stride 2.
        keras_strides: Boolean, whether strides are where `keras.applications` has them: in the first convolution of a
            bottleneck rather than the 3x3 one, and in a stem's pool that is padded on both sides.
        padding: `"same"`, or `"symmetric"` where strided convolutions and the stem's pool are padded on both sides, as
            weights of PyTorch expect it.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths; inner ones stay multiples of `groups`.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `stem` or `padding` is not known or `keras_strides` no boolean.
    """
    one_of("stem", stem, _STEMS)
    one_of("keras_strides", keras_strides, (False, True))
    one_of("padding", padding, blocks.PADDINGS)
    stages = _list_stages(layout, width_multiplier, padding)
    image, x = add_image_input(images)
    pad_pool = keras_strides or padding == "symmetric"
    x = _STEMS[stem](x, blocks.scale_width(_STEM_WIDTH, width_multiplier), pad_pool=pad_pool)
    tensors = _route([x], paths, 1) if paths.router else [x] * paths.paths
    for stage in stages:
        tensors = [
            _add_stage(x, stage, path_prefix(path, paths.paths), keras_strides) for path, x in enumerate(tensors, 1)
        ]
        if paths.router == "cc" or (paths.router == "cp" and stage is not stages[-1]):
            tensors = _route(tensors, paths, stage.number + 1)
    return finish_model(image, tensors, head, name, paths.average)


def _list_stages(layout: StageLayout, multiplier: float, padding: str) -> list[_Stage]:
    expansion = _EXPANSION if layout.bottleneck else 1
    inner = [blocks.scale_width(width, multiplier, layout.groups) for width in layout.widths_inside()]
    outer = [expansion * blocks.scale_width(width, multiplier) for width in layout.outer_widths()]
    rows = zip(layout.stage_blocks, inner, outer, strict=True)
    common = layout.groups, layout.bottleneck, padding
    return [_Stage(number, *row, *common) for number, row in enumerate(rows, 1)]


def _are_four(widths: Any, divisor: int) -> bool:
    widths = widths if isinstance(widths, (list, tuple)) else ()
    return len(widths) == len(_WIDTHS) and all(
        is_integer(width) and width > 0 and width % divisor == 0 for width in widths
    )


def _add_stage(x: Any, stage: _Stage, prefix: str, strides_first: bool) -> Any:
    for block in range(1, stage.blocks + 1):
        strides = 2 if stage.number > 1 and block == 1 else 1
        name = f"{prefix}stage_{stage.number}_block_{block}"
        common = (x, stage.inner, stage.outer, strides, name)
        if stage.bottleneck:
            arguments: dict[str, Any] = {
                "groups": stage.groups,
                "strides_first": strides_first,
                "padding": stage.padding,
            }
            x = residual.add_bottleneck(*common, **arguments)
        else:
            x = residual.add_basic_block(*common, padding=stage.padding)
    return x


def _route(tensors: list[Any], paths: Paths, route: int) -> list[Any]:
    if paths.router == "cc":
        return connect(tensors, paths, route)
    return predict(tensors, paths, route, filters=tensors[0].shape[-1], use_bias=False)
