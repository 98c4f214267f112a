"""The masked executor of one block: every part runs on every sample and is weighted by its switch, on every backend.

It computes `y = a(sum_i s_i f_i(x) + h(x))` as it is written (see `block_executor`), all terms for all samples; in
training the switches `s_i` of a `layers.SkipBlock` are soft, and it blends instead (Eq. 4 of its reference).
"""

from typing import Any

from keras import ops


def run_masked(block: Any, inputs: Any, switches: Any, training: bool | None) -> Any:
    """Returns a block's output with every part run; see `block_executor.execute`."""
    weights = ops.reshape(switches, (-1, len(block.sub_blocks)) + (1,) * (len(inputs.shape) - 1))
    outputs = [part(inputs, training=training) for part in block.sub_blocks]
    switched = [ops.cast(weights[:, n], output.dtype) for n, output in enumerate(outputs)]
    return block.weighted(inputs, block.shortcut_terms(inputs, training), outputs, switched)
