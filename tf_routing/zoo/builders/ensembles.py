"""Ensembles: nets that train independently and whose answers are averaged.

Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450, section 6.1,
Table 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from tf_routing.models import Ensemble, RoutedModel
from tf_routing.zoo.builders.parts.heads import Head
from tf_routing.zoo.builders.parts.images import ImageInput


def build(
    *,
    members: Sequence[str],
    build_member: Callable[..., RoutedModel],
    head: Head,
    name: str,
    images: ImageInput,
    width_multiplier: float = 1.0,
) -> Ensemble:
    """Builds an ensemble of independently initialised nets.

    Args:
        members: Names of the zoo.
        build_member: Function of such a name and arguments of its builder that returns the net.
        head: How the members end; with their top, since an ensemble averages answers.
        name: Name of the model.
        images: What the members read.
        width_multiplier: Float that scales convolution and hidden dense widths.

    Returns:
        An `Ensemble`.

    Raises:
        ValueError: If `include_top` is false, or the input is to be one that is there already.
    """
    if not head.include_top:
        raise ValueError(
            f"An ensemble averages answers and has no features of its own; take those of a member, one of {members}. "
            "Received: include_top=False"
        )
    if images.input_tensor is not None:
        raise ValueError("`input_tensor` cannot be that of an ensemble, whose members read an input of its own.")
    shared = {**asdict(head), **asdict(images), "width_multiplier": width_multiplier}
    return Ensemble.of([build_member(member, **shared) for member in members], name=name)
