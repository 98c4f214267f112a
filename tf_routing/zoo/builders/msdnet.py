"""Multi-scale dense networks: maps of several scales all the way, and exits that classify from the coarsest.

Huang, Chen, Li, Wu, van der Maaten and Weinberger (2017), *Multi-Scale Dense Networks for Resource Efficient Image
Classification*, arXiv:1703.09844, and the authors' public code (gaohuang/MSDNet, in PyTorch kalviny/MSDNet-PyTorch):
where scales end, how transitions narrow what is left, and what classifiers are made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, ClassVar

import keras

from tf_routing import exit_tree, layers
from tf_routing.models import RoutedModel
from tf_routing.objectives import DeepSupervision
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head, join_features
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input

_REDUCTION = 0.5
"""The share of its channels that a scale keeps where another one ends."""
_COUNTED = (keras.layers.Conv2D, keras.layers.Dense)


@dataclass(frozen=True)
class Exits:
    """How images leave, and how much each exit counts in training; both count where the network classifies.

    Args:
        confidence: Float in (0, 1), the probability of the most probable class with which an image leaves, until
            thresholds are calibrated.
        exit_weights: List of numbers, the weight of each exit's cross-entropy; `None` for 1 each.

    Raises:
        ValueError: If a value is not possible.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        needs_top("confidence", "exit_weights", about="where there are exits"),
    )

    confidence: float = 0.9
    exit_weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        # Refuses what is not possible before anything is built.
        layers.ConfidenceJunction(self.confidence)

    def create_objective(self, exits: Sequence[str]) -> DeepSupervision:
        """Returns the objective for exits of these names."""
        return DeepSupervision(exits, self.exit_weights)


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
    names = [f"exit_{number}" for number in range(1, len(block_layers) + 1)]
    objective = exits.create_objective(names)
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
    ends = _Ends(image, head, exits.confidence)
    for maps in coarsest:
        ends.add(maps, grower.layout.classifier_filters)
    model = RoutedModel(image, ends.join(), name=name)
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


class _Ends:
    """The exits of a network as they are added.

    Args:
        image: The network's input.
        head: How every exit ends.
        confidence: Float, with which images leave.
    """

    def __init__(self, image: Any, head: Head, confidence: float) -> None:
        self.image, self.head, self.confidence = image, head, confidence
        # Predictions are at least float32 under mixed precision, and float64 where everything is.
        self.dtype = keras.config.dtype_policy().variable_dtype
        self.read: list[Any] = []
        self.logits: list[Any] = []

    def add(self, maps: Any, filters: int | None) -> None:
        """Adds a classifier of maps."""
        name = f"classifier_{len(self.read) + 1}"
        for number in (1, 2):
            maps = _convolve(maps, filters or maps.shape[-1], f"{name}_conv_{number}", strides=2)
        means = keras.layers.GlobalAveragePooling2D(name=f"{name}_pool")(maps)
        self.read.append(keras.layers.Dense(self.head.classes, name=f"{name}_head")(means))

    def join(self) -> Any:
        """Returns the probabilities `(B, classes)` of the exits that images take."""
        reach, reaches, junctions, logits = None, [], [], []
        for number, read in enumerate(self.read, 1):
            leaves = reach
            if number < len(self.read):
                # Nothing trains it: it is calibrated.
                junction = layers.ConfidenceJunction(self.confidence, name=f"junction_{number}", trainable=False)
                leaves, reach = junction(read, *([] if reach is None else [reach]))[2:]
                junctions.append(junction.name)
            reaches.append(leaves)
            logits.append(keras.layers.Identity(name=f"exit_{number}", dtype=self.dtype)(read))
        tree = exit_tree.chain(self._list_columns(), junctions, [f"exit_{n}" for n in range(1, len(logits) + 1)])
        activation = self.head.classifier_activation
        return layers.ExitMixture(tree, activation, dtype=self.dtype, name="probabilities")(logits, reaches)[0]

    def _list_columns(self) -> list[tuple[str, ...]]:
        """Returns the layers that cost something, and that each exit reads and none before it does."""
        columns: list[tuple[str, ...]] = []
        before: set[str] = set()
        for read in self.read:
            found = [each.name for each in keras.Function(self.image, read).operations if isinstance(each, _COUNTED)]
            columns.append(tuple(name for name in found if name not in before))
            before |= set(found)
        return columns


def _add_stem(x: Any, filters: int) -> Any:
    return _convolve(x, filters, "stem")


def _convolve(x: Any, filters: int, name: str, kernel: int = 3, strides: int = 1) -> Any:
    return blocks.convolve(x, filters, name, kernel=kernel, strides=strides, use_bias=False)
