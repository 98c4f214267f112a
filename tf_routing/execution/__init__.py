"""Executors: they take a decision and the parts it chooses between, and produce the output.

`masked` runs every part on every sample: training, any backend. `sparse` runs each part only on the samples that chose
it: inference, TensorFlow and JAX. Same weights, same numbers; `block_executor` has the equation.
"""

import keras  # noqa: F401  (first: it registers the layers, and these import parts of this package)

from tf_routing.execution.block_executor import execute
from tf_routing.execution.gated_layers import check_skips, gated_blocks
from tf_routing.execution.graph_executor import GraphExecutor
from tf_routing.execution.run import Run
from tf_routing.execution.settings import (
    BATCH_METHODS,
    EXECUTIONS,
    METHODS,
    Settings,
    check,
    possible,
    supports_jit,
)

__all__ = [
    "BATCH_METHODS",
    "EXECUTIONS",
    "METHODS",
    "GraphExecutor",
    "Run",
    "Settings",
    "check",
    "check_skips",
    "execute",
    "gated_blocks",
    "possible",
    "supports_jit",
]
