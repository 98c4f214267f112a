"""What an objective learns and adapts, from one `compile` to the next."""

import warnings
from typing import Any

from keras import ops

from tf_routing.objectives.objective import Objective


def build_objective(objective: Objective, outputs: dict[str, Any], before: Objective | None, learnt: bool) -> None:
    """Creates the parts of an objective, going on from those of the one that a model was compiled with before.

    Args:
        objective: The new objective. Parts that it has already stay as they are.
        outputs: What it will read, as symbolic tensors.
        before: The objective before, if there was one.
        learnt: Boolean, whether the model was trained since it was built, so that there may be something to lose.
    """
    is_new = not objective.variables and not objective.state
    objective.build(outputs)
    if before is None or not is_new or objective is before:
        return
    changed = objective.go_on_from(before)
    if changed and learnt:
        warnings.warn(
            f"What {type(objective).__name__} learnt or adapted begins anew: it is compiled with another "
            f"{' and '.join(f'`{name}`' for name in changed)} than before. With the same it goes on.",
            stacklevel=3,
        )


def has_stepped(model: Any) -> bool:
    """Whether the optimizer of a model, if it has one, took a step."""
    optimizer = getattr(model, "optimizer", None)
    return optimizer is not None and int(ops.convert_to_numpy(optimizer.iterations)) > 0
