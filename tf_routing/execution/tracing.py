"""Tracing a function once, however often one graph calls it."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def trace_once(function: Callable[..., Any], keeps_calls: bool = False) -> Callable[..., Any]:
    """Returns the function for use within one graph: calls after the first with the same shapes trace nothing.

    Tracing a network takes seconds, and every pattern of switches calls the same parts again.

    Args:
        function: Function of tensors.
        keeps_calls: Boolean, whether TensorFlow leaves its calls in the graph that runs. Otherwise it puts the function
            in the place of each call, with the constants that it holds: a copy of these for every call.
    """
    if tf.executing_eagerly():
        return function
    attributes = {"_noinline": True} if keeps_calls else None
    return tf.function(function, autograph=False, experimental_attributes=attributes)
