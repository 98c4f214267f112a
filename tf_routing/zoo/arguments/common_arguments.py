"""Checks of the arguments that all networks of the zoo take, and their names."""

from collections.abc import Mapping
from typing import Any

from tf_routing.support.validation import is_integer, positive_integer, positive_number
from tf_routing.zoo.arguments.path_arguments import paths_name

# Of images with 1, 3 or 4 channels, should they stand first.
_CHANNELS = (1, 3, 4)
# What makes a network another one than the architecture of its name.
_STRUCTURE = ("tree", "stem", "groups", "widths", "inner_widths", "squeeze_excite", "width")


def check_common(
    classes: Any, input_shape: Any, include_top: Any, pooling: Any, family_arguments: Mapping[str, Any]
) -> None:
    """Raises a `ValueError` that names the argument which is not possible.

    Args:
        classes: See `zoo.get`, as all of them.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean.
        pooling: Text or `None`.
        family_arguments: The family's own; `width_multiplier` is every family's.
    """
    if classes is not None and positive_integer("classes", classes) < 2:
        raise ValueError(
            "`classes` must be at least 2: of one class the probability is always 1, and there is nothing to learn. "
            "For one number per image give include_top=False and end the network with a layer of your own. "
            f"Received: classes={classes!r}"
        )
    if input_shape is not None:
        _check_shape(input_shape)
    if not isinstance(include_top, bool):
        raise ValueError(f"`include_top` must be True or False. Received: include_top={include_top!r}")
    if pooling not in (None, "avg", "max"):
        raise ValueError(f"`pooling` must be None, 'avg' or 'max'. Received: pooling={pooling!r}")
    if pooling is not None and include_top:
        raise ValueError(f"`pooling` counts only with include_top=False. Received: pooling={pooling!r}")
    positive_number("width_multiplier", family_arguments.get("width_multiplier", 1.0))


def _check_shape(input_shape: Any) -> None:
    shape = tuple(input_shape) if isinstance(input_shape, (list, tuple)) else ()
    if len(shape) != 3 or not all(is_integer(side) and side > 0 for side in shape):
        raise ValueError(f"`input_shape` must be (height, width, channels). Received: input_shape={input_shape!r}")
    if shape[0] in _CHANNELS and shape[2] > max(_CHANNELS):
        raise ValueError(
            "`input_shape` must be (height, width, channels), the channels last; this looks like (channels, height, "
            f"width). Received: input_shape={input_shape!r}"
        )


def default_name(
    architecture: str, values: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> str:
    """Returns what a model is called where the user gives no name: the architecture that its arguments make.

    Args:
        architecture: A name of the zoo.
        values: All arguments of the builder.
        given: The family's arguments that the user gave.
        defaults: What they are by default.

    Example:

    >>> default_name("resnet50", {"stem": "cifar"}, {"stem": "cifar"}, {"stem": "imagenet"})
    'resnet50_own_stem'
    """
    own = [argument for argument in _STRUCTURE if argument in given and given[argument] != defaults[argument]]
    return paths_name(architecture, values, given) + "".join(f"_own_{argument}" for argument in own)
