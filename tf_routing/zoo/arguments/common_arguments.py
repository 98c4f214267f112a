"""The arguments of `zoo.get` that all networks of the zoo take, and the names that networks get by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tf_routing.support.validation import is_integer, positive_integer
from tf_routing.zoo.arguments.input_tensor import check_tensor
from tf_routing.zoo.arguments.path_arguments import name_paths

# Of images with 1, 3 or 4 channels, should they stand first.
_CHANNELS = (1, 3, 4)
# What makes a network another one than the architecture of its name.
_STRUCTURE = ("tree", "stem", "groups", "widths", "inner_widths", "squeeze_excite", "width", "sub_blocks")


@dataclass(frozen=True)
class CommonArguments:
    """Arguments of `zoo.get`, by the names and with the meaning that they have in `keras.applications`.

    Args:
        classes: Integer of at least 2, number of classes; `None` for that of the paper, or of released weights.
        input_shape: Tuple `(height, width, channels)`; `None` for that of the paper, or of released weights. Without
            the top height and width may be `None`, for images of any size.
        include_top: Boolean, whether the network classifies.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        name: Name of the model; `None` for that of the architecture.
        classifier_activation: Activation of the prediction.
        input_tensor: Symbolic tensor of images that the network reads; `None` for an input of its own.

    Raises:
        ValueError: If a value is not possible; the message names the argument.
    """

    classes: int | None = None
    input_shape: tuple[int | None, int | None, int] | None = None
    include_top: bool = True
    pooling: str | None = None
    name: str | None = None
    classifier_activation: str | None = "softmax"
    input_tensor: Any = None

    def __post_init__(self) -> None:
        if self.classes is not None and positive_integer("classes", self.classes) < 2:
            raise ValueError(
                "`classes` must be at least 2: of one class the probability is always 1, and there is nothing to "
                "learn. For one number per image give include_top=False and end the network with a layer of your own. "
                f"Received: classes={self.classes!r}"
            )
        if not isinstance(self.include_top, bool):
            raise ValueError(f"`include_top` must be True or False. Received: include_top={self.include_top!r}")
        if self.input_tensor is not None:
            check_tensor(self.input_tensor, self.input_shape)
        if self.shape is not None:
            _check_shape(self.shape, self.include_top)
        if self.pooling not in (None, "avg", "max"):
            raise ValueError(f"`pooling` must be None, 'avg' or 'max'. Received: pooling={self.pooling!r}")
        if self.pooling is not None and self.include_top:
            raise ValueError(f"`pooling` counts only with include_top=False. Received: pooling={self.pooling!r}")

    @property
    def shape(self) -> tuple[int | None, int | None, int] | None:
        """The shape of an image as far as the user gave one, by itself or as that of a tensor."""
        return self.input_shape if self.input_tensor is None else tuple(self.input_tensor.shape[1:])


def _check_shape(input_shape: Any, include_top: bool) -> None:
    shape = tuple(input_shape) if isinstance(input_shape, (list, tuple)) else ()
    # A side that is left open is as good as any.
    sides = [1 if side is None else side for side in shape[:2]]
    if len(shape) != 3 or not all(is_integer(side) and side > 0 for side in (*sides, shape[2])):
        raise ValueError(f"`input_shape` must be (height, width, channels). Received: input_shape={input_shape!r}")
    if include_top and None in shape:
        raise ValueError(
            "`input_shape` may leave height and width open with include_top=False only: what a network costs, and its "
            f"objective aims at, depends on them. Received: input_shape={input_shape!r}"
        )
    if shape[0] in _CHANNELS and shape[2] > max(_CHANNELS):
        raise ValueError(
            "`input_shape` must be (height, width, channels), the channels last; this looks like (channels, height, "
            f"width). Received: input_shape={input_shape!r}"
        )


def name_model(
    architecture: str, values: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> str:
    """Returns what a model is called where the user gives no name: the architecture that its arguments make.

    Args:
        architecture: A name of the zoo.
        values: All arguments of the builder.
        given: The family's arguments that the user gave.
        defaults: What they are by default.

    Example:

    >>> name_model("resnet50", {"stem": "cifar"}, {"stem": "cifar"}, {"stem": "imagenet"})
    'resnet50_own_stem'
    """
    changed = [argument for argument in _STRUCTURE if argument in given and given[argument] != defaults[argument]]
    return name_paths(architecture, values, given) + "".join(f"_own_{argument}" for argument in changed)
