"""Tracing a function once, however often one graph calls it."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def trace_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function for use within one graph: calls after the first with the same shapes trace nothing.

    Tracing a network takes seconds, and every pattern of switches calls the same parts again.
    """
    return function if tf.executing_eagerly() else tf.function(function, autograph=False)
