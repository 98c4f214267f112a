"""Which weights are kernels: those that decay and penalties keep small, and that cost multiply-accumulates."""


def is_kernel(name: str) -> bool:
    """Returns whether a weight is a kernel, by the last part of its path.

    Keras gives this name to what inputs or states multiply: recurrent kernels, and both kernels of a separable
    convolution, are some too; biases, scales, shifts and stitch scalars are none.

    Args:
        name: Name of the weight, without those of the layers around it.

    Example:

    >>> [is_kernel(name) for name in ("kernel", "recurrent_kernel", "bias")]
    [True, True, False]
    """
    return name == "kernel" or name.endswith("_kernel")


def may_be_kernel(name: str) -> bool:
    """Returns whether a weight is a kernel or is called after one, as layers of users call theirs.

    Where a kernel that is overlooked would make a number wrong, it is better to ask once too often.

    Args:
        name: Name of the weight, without those of the layers around it.

    Example:

    >>> [may_be_kernel(name) for name in ("recurrent_kernel", "kernel_2", "bias")]
    [True, True, False]
    """
    return "kernel" in name
