"""Multi-scale dense networks: maps of several scales all the way, and exits that classify from the coarsest.

Huang, Chen, Li, Wu, van der Maaten and Weinberger (2017), *Multi-Scale Dense Networks for Resource Efficient Image
Classification*, arXiv:1703.09844, and the authors' public code (gaohuang/MSDNet, in PyTorch kalviny/MSDNet-PyTorch):
where scales end, how transitions narrow what is left, and what classifiers are made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import keras

from tf_routing.models import RoutedModel
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.confident_exits import Exits, add_exits
from tf_routing.zoo.builders.parts.heads import Head, join_features
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input

_REDUCTION = 0.5
"""The share of its channels that a scale keeps where another one ends."""


@dataclass(frozen=True)
class ScaleLayout:
    """Scales and channels, those of the first scale, of which the others have multiples.

    Args:
        growth_factors: List of integers, by which the channels of the scales are multiplied, finest first.
        bottleneck_factors: List of integers: a 1x1 convolution has at most so many channels per channel of the 3x3
            convolution behind it, by the scale that it reads.
        filters: Integer, channels before the first layer.
        growth_rate: Integer, channels that each layer adds.
        classifier_filters: Integer, channels of the convolutions of a classifier; `None` for as many as it reads.
        stem: `"cifar"`, a 3x3 convolution, or `"imagenet"`, a 7x7 convolution of stride 2 and a pool.
    """

    growth_factors: Sequence[int]
    bottleneck_factors: Sequence[int]
    filters: int
    growth_rate: int
    classifier_filters: int | None
    stem: str

    def scaled(self, multiplier: float) -> "ScaleLayout":
        """Returns a layout of other widths."""
        widths: dict[str, Any] = {
            name: blocks.scale_width(getattr(self, name), multiplier)
            for name in ("filters", "growth_rate", "classifier_filters")
            if getattr(self, name) is not None
        }
        return replace(self, **widths)


def build(
    *,
    block_layers: Sequence[int],
    layout: ScaleLayout,
    head: Head,
    name: str,
    exits: Exits,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a multi-scale dense network with an exit behind each block.

    Every layer appends to the maps of each scale what it computes from them and from those of the next finer scale. Of
    the layers, divided evenly among the scales, each part but the first goes on without the finest scale before it, and
    the first layer of a part is followed by a transition that halves the channels of the scales that are left.

    An exit classifies from the coarsest scale. A part of the network is behind an exit if the exit does not read it, as
    the finer maps that a block ends with: the authors call this lazy evaluation.

    Args:
        block_layers: List of integers, layers of each block.
        layout: Scales and channels.
        head: How the network ends; without its top, in the coarsest maps of the last block.
        name: Name of the model.
        exits: How images leave, and how exits learn.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If there are not as many `exit_weights` as exits.
    """
    objective = exits.create_objective(len(block_layers))
    grower = _Grower(layout.scaled(width_multiplier), sum(block_layers))
    image, x = add_image_input(images)
    grower.begin(x)
    coarsest = []
    for count in block_layers:
        for _ in range(count):
            grower.add_layer()
        coarsest.append(grower.maps[-1])
    if not head.include_top:
        return RoutedModel(image, join_features(coarsest[-1:], head), name=name)
    filters = grower.layout.classifier_filters
    logits = [_classify(maps, filters, head.classes, number) for number, maps in enumerate(coarsest, 1)]
    model = RoutedModel(image, add_exits(image, logits, head, exits.confidence), name=name)
    model.set_default_objective(objective)
    return model


class _Grower:
    """The layers of a network as they are added, and the maps that they end with.

    Args:
        layout: Scales and channels.
        count: Integer, layers of the whole network, which tell where a scale ends.
    """

    def __init__(self, layout: ScaleLayout, count: int) -> None:
        self.layout, self.count = layout, count
        self.maps: list[Any] = []
        self.added = 0
        self._width = layout.filters

    def begin(self, x: Any) -> None:
        """Adds the maps of all scales that the first layer reads: each of them halves the finer one."""
        stem = blocks.add_imagenet_stem if self.layout.stem == "imagenet" else _add_stem
        first, *others = (factor * self._width for factor in self.layout.growth_factors)
        self.maps = [stem(x, first)]
        for scale, width in enumerate(others, 2):
            self.maps.append(_convolve(self.maps[-1], width, f"stem_scale_{scale}", strides=2))

    def add_layer(self) -> None:
        """Adds a layer, and a transition where the finest scale ends with it."""
        scales = len(self.layout.growth_factors)
        finest = self._finest(self.added)
        ends_scale = len(self.maps) > scales - finest
        self.added += 1
        # By scale, `None` for those that are there no more.
        before = [None] * (scales - len(self.maps)) + self.maps
        self.maps = [self._add_to(before, scale) for scale in range(finest, scales)]
        self._width += self.layout.growth_rate
        if ends_scale:
            self._width = int(_REDUCTION * self._width)
            self.maps = [
                _convolve(maps, factor * self._width, f"transition_{self.added}_scale_{scale}", kernel=1)
                for scale, (maps, factor) in enumerate(
                    zip(self.maps, self.layout.growth_factors[finest:], strict=True), finest + 1
                )
            ]

    def _finest(self, layer: int) -> int:
        """Returns the finest scale that a layer computes, both counted from 0."""
        return layer // ceil(self.count / len(self.layout.growth_factors))

    def _add_to(self, before: Sequence[Any], scale: int) -> Any:
        """Returns the maps of a scale, counted from 0, with what a layer adds to them."""
        width = self.layout.growth_factors[scale] * self.layout.growth_rate
        name = f"layer_{self.added}_scale_{scale + 1}"
        finer = before[scale - 1] if scale else None
        if finer is None:
            new = [self._add_branch(before[scale], width, scale, 1, f"{name}_same")]
        else:
            new = [
                self._add_branch(finer, width // 2, scale - 1, 2, f"{name}_down"),
                self._add_branch(before[scale], width // 2, scale, 1, f"{name}_same"),
            ]
        return keras.layers.Concatenate(name=name)([before[scale], *new])

    def _add_branch(self, x: Any, width: int, scale: int, strides: int, name: str) -> Any:
        """Adds a 1x1 and a 3x3 convolution of maps of a scale."""
        inner = min(x.shape[-1], self.layout.bottleneck_factors[scale] * width)
        x = _convolve(x, inner, f"{name}_conv_1", kernel=1)
        return _convolve(x, width, f"{name}_conv_2", strides=strides)


def _classify(maps: Any, filters: int | None, classes: int, number: int) -> Any:
    """Returns the logits of a classifier of maps, counted from 1."""
    name = f"classifier_{number}"
    for position in (1, 2):
        maps = _convolve(maps, filters or maps.shape[-1], f"{name}_conv_{position}", strides=2)
    means = keras.layers.GlobalAveragePooling2D(name=f"{name}_pool")(maps)
    return keras.layers.Dense(classes, name=f"{name}_head")(means)


def _add_stem(x: Any, filters: int) -> Any:
    return _convolve(x, filters, "stem")


def _convolve(x: Any, filters: int, name: str, kernel: int = 3, strides: int = 1) -> Any:
    return blocks.convolve(x, filters, name, kernel=kernel, strides=strides, use_bias=False)
