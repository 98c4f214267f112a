"""The accelerator that Keras's backend computes on, and what its maker says it computes at most."""

import json
from typing import Any

from tf_routing.support.package_files import read_package_file

_TERA = 10**12


def accelerator() -> str | None:
    """Returns the name of the GPU or TPU that Keras's backend computes on, as its driver gives it.

    Returns:
        Text, or `None` on a CPU.
    """
    # Importing Keras loads its backend, and who measures sets the environment of that first.
    import keras

    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else device.device_kind
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(found[0]).get("device_name") if found else None
    return None


def multiplies_in(compute_dtype: str) -> str:
    """Returns in which precision an accelerator multiplies matrices, for numbers of a type.

    Args:
        compute_dtype: That of a dtype policy, such as `"bfloat16"`.

    Returns:
        `"half"`, `"tensorfloat32"`, to which JAX and TensorFlow round numbers of 32 bits by themselves on GPUs, or
        `"float32"`, where `jax_default_matmul_precision` asks for all bits, or for numbers of 64.

    Example:

    >>> multiplies_in("bfloat16"), multiplies_in("float64")
    ('half', 'float32')
    """
    if compute_dtype in ("bfloat16", "float16"):
        return "half"
    return "tensorfloat32" if compute_dtype == "float32" and _rounds() else "float32"


def _rounds() -> bool:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.config.jax_default_matmul_precision not in ("float32", "highest", "F32_F32_F32")
    import tensorflow as tf

    return tf.config.experimental.tensor_float_32_execution_enabled()


def peak_flops(name: str | None, precision: str) -> float | None:
    """Returns the floating-point operations a second that a card does at most, on dense matrices.

    Args:
        name: What `accelerator` returns.
        precision: What `multiplies_in` returns.

    Returns:
        Float; `None` for a card that is not in `accelerators.json`, where the datasheets are named.

    Example:

    >>> peak_flops("NVIDIA H200", "half")
    989500000000000.0
    """
    cards: list[dict[str, Any]] = json.loads(read_package_file("tf_routing.support", "accelerators.json"))["cards"]
    return next((card[precision] * _TERA for card in cards if name in card["names"]), None)
