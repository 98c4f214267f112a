"""The 6n+2 residual nets for 32x32 images, with one path or several.

Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450, section 6.2,
Table 3, after He et al. (2015), *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, section 4.2. Wang et
al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, arXiv:2005.14439,
compare with those of one path in Table 3. Tissera et al. write that each stack starts with a strided block; here, as in
He et al., the first one keeps the stem's size, which changes no parameter.
"""

from typing import Any

from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of
from tf_routing.zoo.builders.parts import blocks
from tf_routing.zoo.builders.parts.heads import Head, finish_model
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input
from tf_routing.zoo.builders.parts.paths import Paths, connect, path_prefix, predict
from tf_routing.zoo.builders.parts.residual import add_basic_block

_WIDTHS = (16, 32, 64)


def build(
    *,
    stack_blocks: int,
    head: Head,
    name: str,
    paths: Paths,
    shortcut: str = "A",
    use_bias: bool | None = None,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a residual net of three stacks of basic blocks.

    With `"cc"` the stem is shared, a one-to-many connector follows it and a cross-connection each stack. With `"cp"`
    the stem is a one-to-many cross-prediction, and one cross-prediction stands before each later stack.

    Args:
        stack_blocks: Integer n, basic blocks per stack.
        head: How the network ends.
        name: Name of the model.
        paths: The parallel paths and what routes between them.
        shortcut: `"A"` subsamples and pads with zeros across a stride, `"projection"` convolves.
        use_bias: Boolean, whether convolutions have biases; by default where there are several paths.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If `shortcut` is not known.
    """
    one_of("shortcut", shortcut, ("A", "projection"))
    use_bias = paths.paths > 1 if use_bias is None else use_bias
    widths = [blocks.scale_width(width, width_multiplier) for width in _WIDTHS]
    image, x = add_image_input(images)
    tensors = _add_stem(x, widths[0], paths, use_bias)
    for stack, filters in enumerate(widths, 1):
        if paths.router == "cp" and stack > 1:
            tensors = predict(tensors, paths, stack, filters=widths[stack - 2], use_bias=use_bias)
        tensors = [
            _add_stack(x, filters, stack, stack_blocks, shortcut, use_bias, path_prefix(path, paths.paths))
            for path, x in enumerate(tensors, 1)
        ]
        if paths.router == "cc":
            tensors = connect(tensors, paths, stack + 1)
    return finish_model(image, tensors, head, name, paths.average)


def _add_stem(x: Any, filters: int, paths: Paths, use_bias: bool) -> list[Any]:
    if paths.router == "cp":
        return predict([x], paths, 1, filters=filters, use_bias=use_bias)
    x = blocks.convolve(x, filters, "stem", use_bias=use_bias)
    return connect([x], paths, 1) if paths.router == "cc" else [x] * paths.paths


def _add_stack(x: Any, filters: int, stack: int, count: int, shortcut: str, use_bias: bool, prefix: str) -> Any:
    for block in range(1, count + 1):
        strides = 2 if stack > 1 and block == 1 else 1
        name = f"{prefix}stack_{stack}_block_{block}"
        x = add_basic_block(x, filters, filters, strides, name, shortcut=shortcut, use_bias=use_bias)
    return x
