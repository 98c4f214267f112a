"""Which weights are kernels: what decay and penalties keep small."""


def is_kernel(name: str) -> bool:
    """Returns whether a weight is a kernel, by the last part of its path, as Keras names what inputs multiply.

    Recurrent kernels, those of states, are some too, and both of a separable convolution; biases, scales, shifts and
    stitch scalars are none.

    Example:

    >>> [is_kernel(name) for name in ("kernel", "recurrent_kernel", "bias")]
    [True, True, False]
    """
    return name == "kernel" or name.endswith("_kernel")
