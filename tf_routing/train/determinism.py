"""Makes the backend compute the same bits each time."""

import os

import keras


def make_deterministic() -> None:
    """Lets the backend compute the same bits each time, for the rest of the process; call it before any step.

    On TensorFlow op determinism alone does not do it. Grappler's memory optimizer takes every CPU for a device of
    256 MiB, and where it expects a graph to need most of that it replaces sums of three and more tensors by additions
    in place that nothing orders: terms are added as threads deliver them, and the last bits change from step to step.
    There is no option for that pass alone (`memory_optimization` is ignored), so that all of Grappler is left out, on
    GPUs too, whose memory large batches fill; `benchmarks/determinism.py` measures what that costs. Without Grappler
    sums are also independent of the names of layers, by which it sorts their terms: Keras numbers layers that have no
    name on and on within a process, so that a network built twice may differ in the last bits.

    Raises:
        ValueError: If JAX runs on a GPU and XLA was not asked to be deterministic, which it must be at its start.

    Example:

    >>> make_deterministic()  # doctest: +SKIP
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        # Not `set_jit`, which leaves the one pass out as well, but compiles where there is a GPU. Not one thread for
        # operations, which must be set before TensorFlow runs, and lets parallel paths wait for each other.
    elif keras.backend.backend() == "jax":
        _check_jax()


def _check_jax() -> None:
    import jax

    # On CPUs and TPUs XLA adds in one order anyway.
    flag = "--xla_gpu_deterministic_ops=true"
    if jax.default_backend() == "gpu" and flag not in os.environ.get("XLA_FLAGS", "").split():
        raise ValueError(
            f"`deterministic` needs XLA_FLAGS={flag} in the environment on a GPU with JAX, which reads it once at its "
            f"start. Received: deterministic=True, XLA_FLAGS={os.environ.get('XLA_FLAGS', '')!r}"
        )
