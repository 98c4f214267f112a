"""BaseCNN and everything made of it, wide, deep, squeeze-and-excite, cross-stitched and routed, and nets like VGG.

Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450, section 6.1,
Tables 1 and 2, and the two-path VGG13 of half width whose gates section 7, Figures 8 to 11, shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import keras

from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.zoo.arguments.idle_arguments import Condition
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head, classify, join_features
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.paths import Paths, connect, path_prefix, predict


@dataclass(frozen=True)
class ColumnPaths(Paths):
    """Paths between which cross-stitches may stand too.

    Args:
        paths: Integer, number of parallel columns.
        router: `None`, `"cc"`, `"cp"` or `"stitch"`.
        hidden: Integer, hidden units of the gates.
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
        per_channel: Boolean, whether stitches have scalars per channel.
    """

    ROUTERS: ClassVar[tuple[str | None, ...]] = (*Paths.ROUTERS, "stitch")
    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        *Paths.CONDITIONS,
        Condition(("per_channel",), lambda values: values["router"] == "stitch", "with router='stitch'"),
    )

    per_channel: bool = False


def build(
    *,
    stages: Sequence[Sequence[int]],
    pools: int,
    dense: Sequence[int],
    head: Head,
    name: str,
    paths: ColumnPaths,
    squeeze_excite: dict[str, int] | None = None,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a net of parallel convolutional columns.

    Cross-connections and stitches stand after every stage (behind its pool) and after the first hidden dense layer;
    cross-predictions replace the first convolution of every stage and the second hidden dense layer. Nets for 224x224
    the paper has with cross-connections only: cross-predictions in the same places as in BaseCNN are our choice there.

    Args:
        stages: Widths of the 3x3 convolutions, stage by stage.
        pools: Integer, how many of the first stages end with a 2x2 max-pool.
        dense: Units of the hidden dense layers.
        head: How the network ends; without its top, before the hidden dense layers.
        name: Name of the model.
        paths: The parallel columns and what routes between them.
        squeeze_excite: Arguments of `layers.SqueezeExcite` behind every convolution, or `None`.
        images: What the network reads.
        width_multiplier: Float that scales convolution and hidden dense widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If the image is too small for the pools.
    """
    check_size(images.input_shape, pools)
    image, x = add_image_input(images)
    columns = _Columns(x, paths, squeeze_excite)
    columns.add_stages(stages, pools, width_multiplier)
    if not head.include_top:
        return RoutedModel(image, join_features(columns.tensors, head), name=name)
    columns.add_dense(dense, width_multiplier)
    return RoutedModel(image, classify(columns.tensors, head, paths.average), name=name)


def check_size(input_shape: tuple[int | None, int | None, int], pools: int) -> None:
    """Refuses images that pools make nothing of.

    Args:
        input_shape: Tuple `(height, width, channels)`.
        pools: Integer, how many 2x2 max-pools follow each other.

    Raises:
        ValueError: If they are too small.
    """
    if any(side is not None and side < 2**pools for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must be at least {2**pools} pixels each way for {pools} pools. "
            f"Received: input_shape={input_shape!r}"
        )


def draw_column(
    x: Any,
    stages: Sequence[Sequence[int]],
    pools: int,
    dense: Sequence[int] | None,
    width_multiplier: float,
    prefix: str,
) -> Any:
    """Returns what a single column makes of images, of layers whose names begin with `prefix`.

    Args:
        x: Images `(B, H, W, C)`.
        stages: See `build`.
        pools: See `build`.
        dense: See `build`; `None` ends the column in its maps.
        width_multiplier: Float that scales convolution and hidden dense widths.
        prefix: Text.
    """
    column = _Columns(x, ColumnPaths(), None, prefix)
    column.add_stages(stages, pools, width_multiplier)
    if dense is not None:
        column.add_dense(dense, width_multiplier)
    return column.tensors[0]


def _connect_fully(x: Any, prefix: str, units: int, position: int) -> Any:
    return blocks.add_dense(x, units, f"{prefix}dense_{position}")


class _Columns:
    """Parallel tensors on their way through the net, and the counters that name layers by position."""

    def __init__(self, x: Any, paths: ColumnPaths, squeeze_excite: dict[str, int] | None, prefix: str = "") -> None:
        self.paths, self.squeeze_excite, self.prefix = paths, squeeze_excite, prefix
        self.convolutions = self.routes = 0
        # With cross-predictions the first convolution makes several tensors of the one image.
        self.tensors = [x] if paths.router in ("cc", "cp") else [x] * paths.paths
        if paths.router == "cc":
            self._connect()

    def add_stages(self, stages: Sequence[Sequence[int]], pools: int, width_multiplier: float) -> None:
        """Adds all stages, the first of which end with pools."""
        for stage, widths in enumerate(stages, 1):
            self.add_stage([blocks.scale_width(width, width_multiplier) for width in widths], pool=stage <= pools)

    def add_stage(self, widths: Sequence[int], pool: bool) -> None:
        """Adds a stage of convolutions, its pool and what mixes the columns behind it."""
        for position, filters in enumerate(widths):
            self.convolutions += 1
            if self.paths.router == "cp" and position == 0:
                self._predict(filters=filters)
            else:
                self._apply(partial(self._convolve, filters=filters))
        if pool:
            pool_name = f"pool_{self.convolutions}"
            self._apply(lambda x, prefix: keras.layers.MaxPooling2D(name=prefix + pool_name)(x))
        self._mix()

    def add_dense(self, units: Sequence[int], width_multiplier: float) -> None:
        """Adds the hidden dense layers."""
        self._apply(lambda x, prefix: keras.layers.Flatten(name=f"{prefix}flatten")(x))
        for position, size in enumerate((blocks.scale_width(each, width_multiplier) for each in units), 1):
            if self.paths.router == "cp" and position == 2:
                self._predict(units=size)
            else:
                self._apply(partial(_connect_fully, units=size, position=position))
            if position == 1:
                self._mix()

    def _apply(self, layer: Callable[[Any, str], Any]) -> None:
        count = self.paths.paths
        prefixes = [f"{self.prefix}{path_prefix(path, count)}" for path in range(1, count + 1)]
        self.tensors = [layer(x, prefix) for x, prefix in zip(self.tensors, prefixes, strict=True)]

    def _convolve(self, x: Any, prefix: str, filters: int) -> Any:
        name = f"{prefix}conv_{self.convolutions}"
        x = blocks.convolve(x, filters, name)
        return layers.SqueezeExcite(**self.squeeze_excite, name=f"{name}_se")(x) if self.squeeze_excite else x

    def _mix(self) -> None:
        if self.paths.router == "cc":
            self._connect()
        elif self.paths.router == "stitch":
            self.routes += 1
            stitch = layers.CrossStitch(self.paths.paths, self.paths.per_channel, name=f"stitch_{self.routes}")
            self.tensors = stitch(self.tensors)

    def _connect(self) -> None:
        self.routes += 1
        self.tensors = connect(self.tensors, self.paths, self.routes)

    def _predict(self, **size: int) -> None:
        self.routes += 1
        self.tensors = predict(self.tensors, self.paths, self.routes, **size)
