"""Bottleneck residual nets for 224x224 images, with one path or several.

Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, section 6.2, Table 4, after He et
al., *Deep Residual Learning for Image Recognition*, section 4.1.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing.models import RoutedModel
from tf_routing.validation import one_of
from tf_routing.zoo import blocks

_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4


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
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `router` or `average` is not known.
    """
    one_of("router", router, (None, "cc"))
    image, x = blocks.image_input(input_shape, standardize)
    x = _stem(x, blocks.scaled(_WIDTHS[0], width_multiplier))
    tensors = blocks.connect([x], paths, 1, hidden) if router else [x] * paths
    for stage, (count, width) in enumerate(zip(stage_blocks, _WIDTHS, strict=True), 1):
        filters = blocks.scaled(width, width_multiplier)
        tensors = [
            _stage(x, filters, stage, count, blocks.path_prefix(path, paths)) for path, x in enumerate(tensors, 1)
        ]
        if router:
            tensors = blocks.connect(tensors, paths, stage + 1, hidden)
    if not include_top:
        return blocks.routed_model(image, blocks.features(tensors, pooling), name)
    pooled = blocks.pool_each(tensors)
    return blocks.routed_model(image, blocks.classify(pooled, classes, classifier_activation, average), name)


def _stem(x: Any, filters: int) -> Any:
    # Explicit padding: 'same' pads an even image on one side only, and trained weights of others expect both.
    x = keras.layers.ZeroPadding2D(3, name="stem_pad")(x)
    x = keras.layers.Conv2D(filters, 7, 2, use_bias=False, kernel_initializer="he_normal", name="stem")(x)
    x = keras.layers.ReLU(name="stem_relu")(blocks.normalize(x, "stem"))
    return keras.layers.MaxPooling2D(3, 2, "same", name="stem_pool")(x)


def _stage(x: Any, filters: int, stage: int, count: int, prefix: str) -> Any:
    for block in range(1, count + 1):
        strides = 2 if stage > 1 and block == 1 else 1
        x = _bottleneck(x, filters, strides, f"{prefix}stage_{stage}_block_{block}")
    return x


def _bottleneck(x: Any, filters: int, strides: int, name: str) -> Any:
    outer = _EXPANSION * filters
    residual = blocks.conv(x, filters, f"{name}_conv_1", kernel=1, use_bias=False)
    residual = blocks.conv(residual, filters, f"{name}_conv_2", strides=strides, use_bias=False)
    residual = blocks.conv(residual, outer, f"{name}_conv_3", kernel=1, use_bias=False, relu=False)
    if strides > 1 or x.shape[-1] != outer:
        x = blocks.conv(x, outer, f"{name}_shortcut", kernel=1, strides=strides, use_bias=False, relu=False)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, residual]))
