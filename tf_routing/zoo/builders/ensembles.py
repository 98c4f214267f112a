"""Ensembles of nets of the zoo.

Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, section 6.1, Table 2.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tf_routing.models import Ensemble, RoutedModel


def build(
    *,
    members: Sequence[str],
    build_member: Callable[..., RoutedModel],
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    standardize: Any = None,
    width_multiplier: float = 1.0,
) -> Ensemble:
    """Builds an ensemble of independently initialised nets.

    Args:
        members: Names of the zoo.
        build_member: Function of such a name and arguments of its builder that returns the net.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean; must be true, since an ensemble averages answers.
        pooling: Unused.
        classifier_activation: Activation of the members' predictions.
        name: Name of the model.
        standardize: `None`, or means and deviations per channel of images in [0, 1].
        width_multiplier: Float that scales convolution and hidden dense widths.

    Returns:
        An `Ensemble`.

    Raises:
        ValueError: If `include_top` is false.
    """
    if not include_top:
        raise ValueError(
            f"An ensemble averages answers and has no features of its own; take those of a member, one of {members}. "
            "Received: include_top=False"
        )
    shared: dict[str, Any] = {"classes": classes, "input_shape": input_shape, "include_top": True, "pooling": None}
    shared |= {"classifier_activation": classifier_activation}
    shared |= {"standardize": standardize, "width_multiplier": width_multiplier}
    return Ensemble.of([build_member(member, **shared) for member in members], name=name)
