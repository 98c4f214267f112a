"""What objectives share that have a classification term beside others."""

from typing import Any

from tf_routing.objectives.classification import Classification
from tf_routing.objectives.objective import Objective


class ClassifyingObjective(Objective):
    """An objective with a classification term, which is one of the terms that `__call__` returns (base class).

    Args:
        label_smoothing: Float in [0, 1), as for `Classification`.
    """

    def __init__(self, label_smoothing: float) -> None:
        self.classification = Classification(label_smoothing)

    @property
    def reads_classes(self) -> bool:
        """True: labels must be class indices or distributions over classes."""
        return True

    def get_config(self) -> dict[str, Any]:
        return self.classification.get_config()
