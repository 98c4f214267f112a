r"""The executor of one block: it takes the block's decision and parts, and produces the output.

With the block's input $x$ `(B, H, W, C)`, its sub-blocks $f_i$ (`block.sub_blocks`), the decision's switches $s_i$
(`switches[:, i]`, 0 or 1 at inference) and the shortcut $h$ (`block.shortcut_terms`), both ways realise, for every
sample $b$ of the batch,

    y[b] = a(sum_i s_i[b] f_i(x)[b] + h(x)[b])

with the block's activation $a$ (`block.finish`). A `layers.SkipBlock` has no activation where its only switch is off.

* Masked: every $f_i$ runs on all $B$ samples, and its output is multiplied by $s_i$, broadcast to `(B, 1, 1, 1)`. It
  works on every backend, in training with soft switches too, and compiles with XLA.
* Sparse: $f_i$ runs on the rows $R_i = \{b : s_i[b] = 1\}$ alone, `f_i(x[R_i])`, whose results are added to, or put in
  the place of, the rows $R_i$ of $h(x)$. On TensorFlow nothing is computed for a switch that is off. Where shapes
  cannot depend on the data, on JAX and under XLA, the rows of $R_i$ run in buckets of one size (method
  `buckets`).

All $f_i$ and $h$ treat samples independently at inference, so both ways give the same numbers up to rounding.
"""

from typing import Any

from tf_routing.execution.buckets import run_buckets
from tf_routing.execution.masked import run_masked
from tf_routing.execution.run import Run


def execute(block: Any, inputs: Any, switches: Any, training: bool | None, run: Run | None = None) -> Any:
    """Runs a block's parts as its switches say.

    Args:
        block: A layer such as `layers.SplitBlock`; see `core.protocols.RunsSubBlocks`.
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, sub_blocks)` of 0 and 1.
        training: Boolean.
        run: What the model hands to its layers; a block by itself runs by its arguments.

    Returns:
        The block's output.

    Example:

    >>> from tf_routing import execution, layers
    >>> x = keras.Input((2, 2, 1))
    >>> block = layers.SplitBlock([keras.Model(x, keras.layers.Rescaling(3.0)(x))], shortcut="identity")
    >>> switches = keras.ops.array([[1.0], [0.0]])
    >>> [float(image[0, 0, 0]) for image in execution.execute(block, keras.ops.ones((2, 2, 2, 1)), switches, False)]
    [4.0, 1.0]
    """
    run = run or Run()
    if not run.skips(block, training):
        return run_masked(block, inputs, switches, training)
    method = run.method_of(block, inputs.shape[0])
    if method == "buckets":
        return run_buckets(block, inputs, switches, run)
    # Here: TensorFlow is not there on other backends.
    from tf_routing.execution.sparse import run_sparse

    return run_sparse(block, inputs, switches, run, method)
