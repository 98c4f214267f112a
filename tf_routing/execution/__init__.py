"""Executors: they take a decision and the parts it chooses between, and produce the output.

`masked` runs every part on every sample: training, any backend. `sparse` runs each part only on the samples that chose
it: inference, TensorFlow. Same weights, same numbers.
"""

from tf_routing.execution.executors import (
    BATCH_METHODS,
    EXECUTIONS,
    METHODS,
    check,
    check_skips,
    early_exit,
    execute,
    execute_batch,
    gated_blocks,
    possible,
    supports_jit,
)

__all__ = [
    "BATCH_METHODS",
    "EXECUTIONS",
    "METHODS",
    "check",
    "check_skips",
    "early_exit",
    "execute",
    "execute_batch",
    "gated_blocks",
    "possible",
    "supports_jit",
]
