"""Functions that are traced once, however often a graph calls them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def traced_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function for use within one graph: calls after the first with the same shapes trace nothing.

    Tracing a network takes seconds, and each pattern of switches calls the same parts again.
    """
    return function if tf.executing_eagerly() else tf.function(function, autograph=False)
