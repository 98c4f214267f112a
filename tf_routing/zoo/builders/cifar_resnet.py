"""The 6n+2 residual nets for 32x32 images, with one path or several.

Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, section 6.2, Table 3, after He et
al., *Deep Residual Learning for Image Recognition*, section 4.2. Tissera et al. write that each stack starts with a
strided block; here, as in He et al., the first one keeps the stem's size, which changes no parameter.
"""

from typing import Any

from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of
from tf_routing.zoo.builders import blocks
from tf_routing.zoo.builders.residual import basic_block

_WIDTHS = (16, 32, 64)


def build(
    *,
    stack_blocks: int,
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
    shortcut: str = "A",
    use_bias: bool | None = None,
    standardize: Any = None,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of three stacks of basic blocks.

    With `"cc"` the stem is shared, a one-to-many connector follows it and a cross-connection each stack. With `"cp"`
    the stem is a one-to-many cross-prediction, and one cross-prediction stands before each later stack.

    Args:
        stack_blocks: Integer n, basic blocks per stack.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean, whether to add global pooling and the heads.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        paths: Integer, number of parallel paths.
        router: `None`, `"cc"` or `"cp"`.
        hidden: Integer, hidden units of each gate.
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
        shortcut: `"A"` subsamples and pads with zeros across a stride, `"projection"` convolves.
        use_bias: Boolean, whether convolutions have biases; by default where there are several paths.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `shortcut` or `average` is not known.
    """
    one_of("router", router, (None, "cc", "cp"))
    one_of("shortcut", shortcut, ("A", "projection"))
    use_bias = paths > 1 if use_bias is None else use_bias
    widths = [blocks.scaled(width, width_multiplier) for width in _WIDTHS]
    image, x = blocks.image_input(input_shape, standardize)
    tensors = _stem(x, widths[0], paths, router, hidden, use_bias)
    for stack, filters in enumerate(widths, 1):
        if router == "cp" and stack > 1:
            tensors = blocks.predict(tensors, paths, stack, hidden, filters=widths[stack - 2], use_bias=use_bias)
        tensors = [
            _stack(x, filters, stack, stack_blocks, shortcut, use_bias, blocks.path_prefix(path, paths))
            for path, x in enumerate(tensors, 1)
        ]
        if router == "cc":
            tensors = blocks.connect(tensors, paths, stack + 1, hidden)
    if not include_top:
        return blocks.routed_model(image, blocks.features(tensors, pooling), name)
    pooled = blocks.pool_each(tensors)
    return blocks.routed_model(image, blocks.classify(pooled, classes, classifier_activation, average), name)


def _stem(x: Any, filters: int, paths: int, router: str | None, hidden: int, use_bias: bool) -> list[Any]:
    if router == "cp":
        return blocks.predict([x], paths, 1, hidden, filters=filters, use_bias=use_bias)
    x = blocks.conv(x, filters, "stem", use_bias=use_bias)
    return blocks.connect([x], paths, 1, hidden) if router == "cc" else [x] * paths


def _stack(x: Any, filters: int, stack: int, count: int, shortcut: str, use_bias: bool, prefix: str) -> Any:
    for block in range(1, count + 1):
        strides = 2 if stack > 1 and block == 1 else 1
        name = f"{prefix}stack_{stack}_block_{block}"
        x = basic_block(x, filters, filters, strides, name, shortcut=shortcut, use_bias=use_bias)
    return x
