"""Networks that leave early: trees of columns with a junction behind each.

McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, arXiv:1703.06217,
section 3.1 and section 5, Figure 3. The paper prints no widths: those of `exit_trees.py` are from its authors' code.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras

from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.support.validation import positive_number
from tf_routing.zoo.builders import exit_trees
from tf_routing.zoo.builders.parts.exit_learning import ExitLearning
from tf_routing.zoo.builders.parts.heads import Head, join_features
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input, standardize
from tf_routing.zoo.builders.parts.tree_growth import TreeGrower

_COST_UNIT = 1e7


@dataclass(frozen=True)
class PyramidOptions:
    """How images become the maps of several scales that the first column reads.

    Args:
        pyramid: `"strided"` or `"average"`, see `layers.ImagePyramid`.
        gamma: Float: the network sees images to this power, that is light, where 2.2 undoes the encoding of
            photographs.

    Raises:
        ValueError: If `gamma` is not a positive number.
    """

    pyramid: str = "strided"
    gamma: float = 2.2

    def __post_init__(self) -> None:
        positive_number("gamma", self.gamma)


def build(
    *,
    tree: dict[str, Any],
    head: Head,
    name: str,
    learning: ExitLearning,
    hidden: int = 16,
    pyramid: PyramidOptions,
    images: ImageInput,
    width_multiplier: float = 1.0,
    seed: int | None = None,
) -> RoutedModel:
    """Builds a network from a tree of columns.

    Args:
        tree: The columns and what may follow each, see `exit_trees`.
        head: How the network ends; without its top, in the coarsest maps of all columns that can be left, side by side.
        name: Name of the model.
        learning: How junctions learn, and what training aims at.
        hidden: Integer, hidden units of the junctions.
        pyramid: How images become maps of several scales.
        images: What the network reads.
        width_multiplier: Float that scales convolution widths.
        seed: Integer, seed of the kernels.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    exit_trees.check(tree)
    named = exit_trees.name_layers(tree)
    learning.check_tree(named.shape)
    grower = TreeGrower(named, head, width_multiplier, hidden, seed)
    image, maps = _add_pyramid(images, pyramid, len(tree["channels"]))
    inputs: Any = image
    if learning.dynamic_cost:
        inputs = {"image": image, "cost": keras.Input((1,), name="cost")}
        # In a unit that half precision can hold.
        grower.cost = keras.layers.Rescaling(_COST_UNIT, dtype="float32", name="cost_of_ten_million")(inputs["cost"])
    grower.grow(maps)
    if not head.include_top:
        return RoutedModel(inputs, join_features(grower.left, head), name=name)
    return learning.set_default(RoutedModel(inputs, grower.join_exits(), name=name), named.shape)


def _add_pyramid(images: ImageInput, pyramid: PyramidOptions, scales: int) -> tuple[Any, list[Any]]:
    """Returns the image input, and what the first column reads, finest first."""
    divisor = 2 ** (scales - 1)
    if any(side is not None and side % divisor for side in images.input_shape[:2]):
        raise ValueError(
            f"`input_shape` must have sides that {divisor} divides, {divisor} at least, for {scales} scales. "
            f"Received: input_shape={images.input_shape!r}"
        )
    # Standardised behind the gamma: means and deviations are those of light.
    image, x = add_image_input(dataclasses.replace(images, standardize=None))
    if pyramid.gamma != 1:
        x = layers.Gamma(pyramid.gamma, name="gamma")(x)
    return image, layers.ImagePyramid(scales, pyramid.pyramid, name="pyramid")(standardize(x, images))
