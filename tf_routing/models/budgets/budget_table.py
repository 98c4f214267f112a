"""What calibrating a model to budgets found: how far its thresholds are shifted for which share of its cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tf_routing.models.budgets.thresholds import TrainedThresholds

TOLERANCE = 0.02
"""How far the executed MACs may be from what was asked, relative to that."""

_ROUNDING = 1e-4


class Budget(NamedTuple):
    """What a model does at a budget, measured on the images that it was calibrated with.

    Args:
        budget: Float, the share of the model's `static_cost` that was asked for.
        share: Float, the mean share that images executed.
        macs: Float, the same in MACs per image.
        accuracy: Float, the share of images that were classified rightly; `None` where labels were not given.
        offset: Float, what is added to the scores of all routers.
        leeway: Float, how far the offset may move until the mean is 2 % away from what was asked, both ways together.

    Example:

    >>> Budget(0.5, share=0.52, macs=5.2e6, accuracy=None, offset=-1.5, leeway=0.2).is_missed
    True
    """

    budget: float
    share: float
    macs: float
    accuracy: float | None
    offset: float
    leeway: float

    @property
    def is_missed(self) -> bool:
        """Whether the mean is more than 2 % away from what was asked for."""
        return abs(self.share / self.budget - 1) > TOLERANCE


class Point(NamedTuple):
    """A share of the cost between budgets: the offset for it, and the share that it is expected to reach."""

    share: float
    offset: float
    expected: float


@dataclass(frozen=True)
class BudgetTable:
    """The thresholds of a model for any budget of a range.

    Args:
        budgets: Those that were asked for, the smallest first.
        points: Shares between them, the smallest first.
        least: Float, the least share that thresholds can reach.
        most: Float, the largest.
        images: Integer, the number of images that all of this was found on.
        trained: The trained thresholds of each router, by its name.
        fingerprint: Integer, tells the weights that all of this holds for.

    Example:

    >>> table = BudgetTable((Budget(0.5, 0.5, 5e6, None, -1.5, 0.2),), (), 0.2, 1.0, 100, {}, 0)
    >>> table.find(0.5).offset
    -1.5
    """

    budgets: tuple[Budget, ...]
    points: tuple[Point, ...]
    least: float
    most: float
    images: int
    trained: Mapping[str, TrainedThresholds]
    fingerprint: int

    def find(self, share: float) -> Point:
        """Returns the offset for a share of the cost, and the share that it is expected to reach.

        Args:
            share: Float.

        Raises:
            ValueError: If it is outside of the range.
        """
        self._check_range(share)
        known = [Point(row.budget, row.offset, row.share) for row in self.budgets]
        # What was measured comes first among equally near ones.
        return min([*known, *self.points], key=lambda point: abs(point.share - share))

    def _check_range(self, share: float) -> None:
        low, high = self.budgets[0].budget, self.budgets[-1].budget
        # What a message prints of an end is an end.
        if low - _ROUNDING <= share <= high + _ROUNDING:
            return
        if self.least <= share <= self.most:
            hint = "Calibrate again with a budget as far out: tf_routing.calibrate_budgets(model, images, budgets=...)"
        else:
            hint = f"No thresholds of this model reach less than {self.least:.4g} or more than {self.most:.4g}"
        raise ValueError(
            f"`share`, the budget, must be from {low:.4g} to {high:.4g}, what the model was calibrated for, or None. "
            f"{hint}. Received: share={share!r}"
        )

    def to_config(self) -> dict[str, Any]:
        """Returns the table as JSON holds it."""
        trained = {
            name: [each.choices, [list(pair) for pair in each.values.items()]] for name, each in self.trained.items()
        }
        return {
            **{name: [list(row) for row in getattr(self, name)] for name in ("budgets", "points")},
            **{name: getattr(self, name) for name in ("least", "most", "images", "fingerprint")},
            "trained": trained,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "BudgetTable":
        """Returns the table of `to_config`."""
        trained = {
            name: TrainedThresholds(choices, {int(number): values for number, values in weights})
            for name, (choices, weights) in config["trained"].items()
        }
        budgets, points = (Budget(*row) for row in config["budgets"]), (Point(*row) for row in config["points"])
        return cls(**{**config, "budgets": tuple(budgets), "points": tuple(points), "trained": trained})
