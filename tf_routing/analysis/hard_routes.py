"""Routes of images as rows of bits, one bit per switch."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def hard_routes(decisions: Mapping[str, Any]) -> np.ndarray:
    """Puts the decisions of all layers side by side.

    Summed along a row, it is the number of parts that ran for an image; the mean of that over a test set is the K of
    networks that skip blocks.

    Args:
        decisions: 0/1 switches `(count, choices)` by decision name, in order of depth, as `RoutedModel.routes` returns.
            An export's signature returns them in no order: its card has that of depth.

    Returns:
        Array `(count, all_choices)`, int8: one row of 0 and 1 per image.

    Raises:
        ValueError: If there is no decision, or one is not of that shape or holds NaN.

    Example:

    >>> hard_routes({"router_1": [[1.0], [0.0]], "router_2": [[1.0], [1.0]]}).tolist()
    [[1, 1], [0, 1]]

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, Eq. 11.
    """
    switches = {name: np.asarray(each) for name, each in decisions.items()}
    if not switches:
        raise ValueError("`decisions` must hold at least one decision. Received: none")
    for name, each in switches.items():
        if each.ndim != 2:
            raise ValueError(f"`decisions` must hold switches (count, choices). Received: {name} of shape {each.shape}")
        unknown = np.flatnonzero(np.isnan(each).any(axis=1))
        if len(unknown):
            raise ValueError(
                f"`decisions` must hold 0 and 1. Received: NaN of {name} for image {unknown[0]}: an image that holds "
                "NaN has no route."
            )
    return np.concatenate(list(switches.values()), axis=1).round().astype("int8")
