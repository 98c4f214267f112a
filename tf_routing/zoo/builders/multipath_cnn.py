"""BaseCNN and everything made of it, wide, deep, squeeze-and-excite, cross-stitched and routed, and nets like VGG.

Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, section 6.1, Table 1, and the
two-path VGG13 of half width whose gates section 7, Figures 8 to 11, shows.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of, positive_integer
from tf_routing.zoo.builders import blocks


def build(
    *,
    stages: Sequence[Sequence[int]],
    pools: int,
    dense: Sequence[int],
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    paths: int = 1,
    router: str | None = None,
    hidden: int = 16,
    average: str = "logits",
    squeeze_excite: dict[str, int] | None = None,
    per_channel: bool = False,
    standardize: Any = None,
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
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add the dense layers.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        paths: Integer, number of parallel columns.
        router: `None`, `"cc"`, `"cp"` or `"stitch"`.
        hidden: Integer, hidden units of each gate.
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
        squeeze_excite: Arguments of `layers.SqueezeExcite` behind every convolution, or `None`.
        per_channel: Boolean, whether stitches have scalars per channel.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution and hidden dense widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If the image is too small for the pools, `router` or `average` is not known, or `paths` is not a
            positive integer.
    """
    one_of("router", router, (None, "cc", "cp", "stitch"))
    one_of("average", average, ("logits", "probs"))
    positive_integer("paths", paths)
    _check_size(input_shape, pools)
    image, x = blocks.image_input(input_shape, standardize)
    columns = _Columns(x, paths, router, hidden, squeeze_excite, per_channel)
    for stage, widths in enumerate(stages, 1):
        columns.stage([blocks.scaled(width, width_multiplier) for width in widths], pool=stage <= pools)
    if not include_top:
        return blocks.routed_model(image, blocks.features(columns.tensors, pooling), name)
    columns.dense([blocks.scaled(units, width_multiplier) for units in dense])
    return blocks.routed_model(image, blocks.classify(columns.tensors, classes, classifier_activation, average), name)


def _check_size(input_shape: tuple[int, int, int], pools: int) -> None:
    if min(input_shape[:2]) < 2**pools:
        raise ValueError(
            f"`input_shape` must be at least {2**pools} pixels each way for {pools} pools. "
            f"Received: input_shape={input_shape!r}"
        )


class _Columns:
    """Parallel tensors on their way through the net, and the counters that name layers by position."""

    def __init__(
        self, x: Any, paths: int, router: str | None, hidden: int, squeeze_excite: Any, per_channel: bool
    ) -> None:
        self.paths, self.router, self.hidden = paths, router, hidden
        self.squeeze_excite, self.per_channel = squeeze_excite, per_channel
        self.convolutions = self.routes = 0
        self.tensors = self._connected([x]) if router == "cc" else [x] if router == "cp" else [x] * paths

    def stage(self, widths: Sequence[int], pool: bool) -> None:
        """Adds a stage of convolutions, its pool and what mixes the columns behind it."""
        for position, filters in enumerate(widths):
            self.convolutions += 1
            if self.router == "cp" and position == 0:
                self._predicted(filters=filters)
            else:
                self._each(lambda x, prefix, filters=filters: self._convolved(x, filters, prefix))
        if pool:
            pool_name = f"pool_{self.convolutions}"
            self._each(lambda x, prefix: keras.layers.MaxPooling2D(name=prefix + pool_name)(x))
        self._mixed()

    def dense(self, units: Sequence[int]) -> None:
        """Adds the hidden dense layers."""
        self._each(lambda x, prefix: keras.layers.Flatten(name=f"{prefix}flatten")(x))
        for position, size in enumerate(units, 1):
            if self.router == "cp" and position == 2:
                self._predicted(units=size)
            else:
                self._each(lambda x, prefix, s=size, p=position: blocks.dense(x, s, f"{prefix}dense_{p}"))
            if position == 1:
                self._mixed()

    def _each(self, layer: Any) -> None:
        names = [blocks.path_prefix(path, self.paths) for path in range(1, self.paths + 1)]
        self.tensors = [layer(x, prefix) for x, prefix in zip(self.tensors, names, strict=True)]

    def _convolved(self, x: Any, filters: int, prefix: str) -> Any:
        name = f"{prefix}conv_{self.convolutions}"
        x = blocks.conv(x, filters, name)
        return layers.SqueezeExcite(**self.squeeze_excite, name=f"{name}_se")(x) if self.squeeze_excite else x

    def _mixed(self) -> None:
        if self.router == "cc":
            self.tensors = self._connected(self.tensors)
        elif self.router == "stitch":
            self.routes += 1
            stitch = layers.CrossStitch(self.paths, self.per_channel, name=f"stitch_{self.routes}")
            self.tensors = stitch(self.tensors)

    def _connected(self, tensors: list[Any]) -> list[Any]:
        self.routes += 1
        return blocks.connect(tensors, self.paths, self.routes, self.hidden)

    def _predicted(self, **size: int) -> None:
        self.routes += 1
        self.tensors = blocks.predict(self.tensors, self.paths, self.routes, self.hidden, **size)
