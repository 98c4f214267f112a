"""What networks whose positions halt would cost if convolutions computed no position but those that are needed."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tf_routing.core.graph import layer_calls
from tf_routing.core.protocols import CountsMacs, Decides, HasSubBlocks
from tf_routing.cost.layer_rules import layer_macs
from tf_routing.cost.totals import executed_macs


def needed_macs(model: keras.Model, decisions: Mapping[str, np.ndarray], remaining: Mapping[str, np.ndarray]) -> Any:
    """Returns the MACs of the positions that are needed, per sample, of a network whose positions halt.

    Equation:
        a = 1 if r > 0 else 0
        A_k = a for the last convolution of a unit, dilated by the window of every convolution behind the k-th
        MACs = F + sum_k m_k sum(A_k)

        with r (B, H, W, 1) what `remaining` holds for a unit; m_k the multiply-accumulates of its k-th convolution for
        one position; sums over positions and, of all units, over convolutions; and F what runs for every image. A
        router's own convolution is needed where the unit before it ran, or everywhere behind the first.

    What runs here is more: a unit that runs for an image computes all of its positions, as `executed_macs` counts.

    Args:
        model: A functional Keras model with fixed spatial input sizes.
        decisions: 0/1 switches `(count, 1)` by name, as `RoutedModel.routes` returns.
        remaining: Arrays `(count, height, width, 1)` by name of the router, what remains behind it: 0 where a position
            has halted.

    Returns:
        Integer array `(count,)`.

    Raises:
        ValueError: If nothing remains to be read, or a unit is no chain of layers that keep the size of maps.

    Example:

    >>> from tf_routing import zoo
    >>> net = zoo.get("sact_resnet32", width_multiplier=0.25)
    >>> goes_on = {f"router_{n}": np.ones((1, *(32 // 2**stage,) * 2, 1)) for stage, n in enumerate((4, 8, 12))}
    >>> some = {name: np.ones((1, 1)) for name in net.decision_names}
    >>> int(needed_macs(net, some, goes_on)[0]) == net.static_cost
    True

    Reference:
        Figurnov et al. (2016), *Spatially Adaptive Computation Time for Residual Networks*, arXiv:1612.02297, section
        2, and the authors' public code, whose counts these are, in multiply-accumulates.
    """
    calls = list(_calls_by_router(model))
    active = {name: np.asarray(maps)[..., 0] > 0 for name, maps in remaining.items()}
    if not active:
        raise ValueError("`remaining` must hold what is left behind one router at least. Received: none")
    total = executed_macs(model, decisions, len(next(iter(active.values()))))
    for call, router, before in calls:
        if router not in active:
            continue
        if isinstance(call.operation, HasSubBlocks):
            runs = np.asarray(decisions[router])[:, 0] > 0.5
            total -= _count_idle(call.operation.sub_blocks[0], active[router], runs)
        elif before in active:
            total -= _count_idle_scores(call.operation, call.input_tensors[0].shape[-1], active[before])
    return total


def _calls_by_router(model: keras.Model) -> Iterator[tuple[Any, str, str | None]]:
    """Yields the calls of routers and of blocks, with the router's name, and that of the router before it."""
    makers: dict[Any, str] = {}
    for call in layer_calls(model):
        layer, read = call.operation, call.input_tensors
        if isinstance(layer, Decides):
            name = call.operation.name
            makers |= dict.fromkeys(call.output_tensors, name)
            yield call, name, makers.get(read[1]) if len(read) > 1 else None
        elif isinstance(layer, HasSubBlocks) and read[1] in makers:
            yield call, makers[read[1]], None


def _count_idle(unit: keras.Model, active: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Returns the MACs of positions of which nothing is needed, per image, where a unit runs."""
    needed, idle = active, np.zeros(len(active), "int64")
    for call in reversed(layer_calls(unit)):
        layer, read, made = call.operation, call.input_tensors, call.output_tensors
        if not read:
            continue
        if len(read) > 1 or read[0].shape[1:3] != made[0].shape[1:3]:
            raise ValueError(
                f"`model` must have units that are chains of layers which keep the size of maps. Received: "
                f"{layer.name!r} in {unit.name!r}, which reads {[tensor.shape for tensor in read]}"
            )
        per_position = layer_macs(layer, read[0].shape, made[0].shape) // needed[0].size
        idle += per_position * (~needed).sum(axis=(1, 2))
        if isinstance(layer, keras.layers.Conv2D):
            needed = _dilate(needed, layer.kernel_size)
    return np.where(runs, idle, 0)


def _dilate(flags: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Returns where a window around a position holds a flag."""
    height, width = flags.shape[1:]
    sides = [(size // 2, size // 2) for size in window]
    padded = np.pad(flags, ((0, 0), *sides))
    shifted = (padded[:, row : row + height, column : column + width] for row, column in np.ndindex(*window))
    return np.logical_or.reduce(list(shifted))


def _count_idle_scores(router: CountsMacs, channels: int, active: np.ndarray) -> np.ndarray:
    """Returns the MACs of a router's scores at positions that had halted before, per image."""
    height, width = active.shape[1:]
    # What scores cost beside that of all positions is for the image.
    of_image, of_all = (router.macs([(None, *size, channels)]) for size in ((0, 0), (height, width)))
    return (of_all - of_image) // (height * width) * (~active).sum(axis=(1, 2))
