"""The types of what networks read and return, in signatures: tensors of any backend, and images in all their forms.

They are for readers and editors. No backend is imported for them, and nothing is checked against them.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

if TYPE_CHECKING:
    import jax
    import keras
    import numpy as np
    import tensorflow as tf

# Names in quotes: no process imports more than one backend.
Tensor: TypeAlias = Union["keras.KerasTensor", "tf.Tensor", "jax.Array"]
"""A tensor of the backend in use, or a symbolic one."""
Array: TypeAlias = Union["np.ndarray", Tensor]
"""An array of NumPy, or a tensor."""
Images: TypeAlias = Union[Array, Mapping[str, Array], "tf.data.Dataset", "keras.utils.PyDataset", Iterable[Any]]
"""Images in one array, a dict of them and of further inputs, or batches, with labels or without."""
