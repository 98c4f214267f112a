"""Tells training steps that update the weights from those that do not, such as while gradients accumulate."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops


def count_updates(optimizer: Any) -> Any:
    """Returns how often an optimizer has changed the weights, as a tensor apart from the variable."""
    # A copy: the variable itself would be read after the step.
    return ops.copy(ops.convert_to_tensor(optimizer.iterations))


def may_skip_updates(optimizer: Any) -> bool:
    """Whether not every step changes the weights: gradients are accumulated, or left out where they overflow."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return bool(inner.gradient_accumulation_steps) or isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def keep_unless(changed: Any, variables: Sequence[Any], adapt: Callable[[], None]) -> None:
    """Lets variables adapt, and gives them back what they held where nothing changed.

    Args:
        changed: Boolean tensor.
        variables: Keras variables.
        adapt: Assigns to the variables.
    """
    before = [ops.copy(ops.convert_to_tensor(variable)) for variable in variables]
    adapt()
    for variable, value in zip(variables, before, strict=True):
        # Selected, not a condition: replicas may not talk to each other within one.
        variable.assign(ops.where(changed, ops.convert_to_tensor(variable), value))
