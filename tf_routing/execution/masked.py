"""The masked executor: every part runs on every sample and is weighted by its switch."""

from typing import Any

from keras import ops


def run_masked(block: Any, inputs: Any, switches: Any, training: bool | None) -> Any:
    """Returns a block's output with every part run; see `block_executor.execute`."""
    weights = ops.reshape(switches, (-1, len(block.sub_blocks)) + (1,) * (len(inputs.shape) - 1))
    outputs = [part(inputs, training=training) for part in block.sub_blocks]
    switched = [ops.cast(weights[:, n], output.dtype) for n, output in enumerate(outputs)]
    return block.weighted(inputs, block.shortcut_terms(inputs, training), outputs, switched)
