"""Global average pooling, which every router reads, computed once where several layers read one tensor."""

from typing import Any

from tf_routing.core.tensors import Tensor
from tf_routing.execution.carried_means import average_positions
from tf_routing.execution.run import Run


def channel_means(inputs: Tensor, run: Run | None = None) -> Any:
    """Averages maps `(batch, height, width, channels)` over their positions; vectors pass unchanged (Eq. 1).

    Means of maps in half precision are float32: a decision must not depend on how they are rounded.

    Args:
        inputs: The maps or vectors.
        run: What the model hands to its layers: it may hold these means, and keeps them for the block that reads the
            same maps.
    """
    if len(inputs.shape) != 4:
        return inputs
    if run is None or run.means is None:
        return average_positions(inputs)
    means = run.means.find(inputs)
    if means is None:
        means = average_positions(inputs)
        run.means.keep(inputs, means)
    return means
