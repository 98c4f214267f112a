"""Cascades: static nets that an image goes through, the cheapest first, until one classifies it with confidence.

Wang, Luo, Crankshaw, Tumanov, Yu and Gonzalez (2017), *IDK Cascades: Fast Deep Learning by Learning not to Overthink*,
arXiv:1706.00885.
"""

from collections.abc import Sequence

import keras

from tf_routing.models import RoutedModel
from tf_routing.zoo.builders import multipath_cnn
from tf_routing.zoo.builders.parts.confident_exits import Exits, add_exits
from tf_routing.zoo.builders.parts.heads import Head, join_features
from tf_routing.zoo.builders.parts.images import ImageInput, add_image_input


def build(
    *,
    stages: Sequence[Sequence[int]],
    pools: int,
    dense: Sequence[int],
    member_widths: Sequence[float],
    head: Head,
    name: str,
    exits: Exits,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> RoutedModel:
    """Builds a cascade of convolutional columns that share nothing but the image.

    Trained together each of them learns what it would learn alone: gradients of the sum of their losses do not meet.
    The layers have the names that they have in a column alone, behind `network_2_` from the second one on, as in
    `tf_routing.cascade`, which makes a cascade of nets that are trained already.

    Args:
        stages: Widths of the 3x3 convolutions, stage by stage.
        pools: Integer, how many of the first stages end with a 2x2 max-pool.
        dense: Units of the hidden dense layers.
        member_widths: List of numbers, the widths of the columns as multiples of these, the cheapest first.
        head: How the columns end; without its top, in the maps of the last one.
        name: Name of the model.
        exits: How images leave, and how the columns learn.
        images: What the columns read.
        width_multiplier: Float that scales the widths of all columns.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If there are not as many `exit_weights` as columns, or the image is too small for the pools.
    """
    multipath_cnn.check_size(images.input_shape, pools)
    objective = exits.create_objective(len(member_widths))
    image, x = add_image_input(images)
    members = [
        (f"network_{number}_" if number > 1 else "", width * width_multiplier)
        for number, width in enumerate(member_widths, 1)
    ]
    if not head.include_top:
        prefix, width = members[-1]
        maps = multipath_cnn.draw_column(x, stages, pools, None, width, prefix)
        return RoutedModel(image, join_features([maps], head), name=name)
    logits = []
    for prefix, width in members:
        features = multipath_cnn.draw_column(x, stages, pools, dense, width, prefix)
        logits.append(keras.layers.Dense(head.classes, name=f"{prefix}head")(features))
    model = RoutedModel(image, add_exits(image, logits, head, exits.confidence), name=name)
    model.set_default_objective(objective)
    return model
