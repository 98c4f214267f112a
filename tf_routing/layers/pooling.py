"""The summary of a tensor that every router looks at."""

from typing import Any

from keras import ops


def channel_means(inputs: Any) -> Any:
    """Averages maps `(batch, height, width, channels)` over their positions; vectors pass unchanged (Eq. 1)."""
    return ops.mean(inputs, axis=(1, 2)) if len(inputs.shape) == 4 else inputs
