"""A checksum of the weights whose scores thresholds were chosen for."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing.models.budgets.thresholds import TrainedThresholds, threshold_weights


def weights_fingerprint(model: Any, routers: Mapping[str, Any], trained: Mapping[str, TrainedThresholds]) -> int:
    """Returns a checksum of a model's weights without its thresholds, which tells whether it was trained since.

    Args:
        model: A model.
        routers: Its routers by name.
        trained: What are thresholds among their weights.
    """
    thresholds = {id(weight) for weight in threshold_weights(routers, trained)}
    checksum = 0
    for weight in model.weights:
        # Numbers without an axis are counters, which run on at inference.
        if weight.shape and id(weight) not in thresholds:
            checksum = zlib.crc32(np.asarray(weight).tobytes(), checksum)
    return checksum
