"""`RoutedModel.set_budget`: moves all thresholds so that images execute a share of the cost on average."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tf_routing.models.budgets.budget_table import TOLERANCE, Budget, BudgetTable
from tf_routing.models.budgets.fingerprints import weights_fingerprint
from tf_routing.models.budgets.thresholds import apply_offset, find_routers, read_thresholds, threshold_weights
from tf_routing.support.notices import warn
from tf_routing.support.validation import is_number, plain

_AGAIN = "Call tf_routing.calibrate_budgets(model, images) again."


@dataclass(frozen=True)
class BudgetState:
    """Which budgets a model knows, and which it is set to; no part of Keras, so that no file holds it as a layer.

    Args:
        table: What it was calibrated to.
        share: Float, the budget that is set; `None` for the trained thresholds.
        offset: Float, by how much thresholds are shifted for it.
    """

    table: BudgetTable
    share: float | None = None
    offset: float = 0.0

    def to_config(self) -> dict[str, Any]:
        """Returns the state as JSON holds it."""
        return {"table": self.table.to_config(), "share": self.share, "offset": self.offset}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BudgetState":
        """Returns the state of `to_config`."""
        return cls(BudgetTable.from_config(config["table"]), config["share"], config["offset"])


class SetsBudget:
    """What a routed model knows of budgets (mixin)."""

    budget_state: BudgetState | None = None

    @property
    def budgets(self) -> list[Budget]:
        """The budgets that `tf_routing.calibrate_budgets` found thresholds for, the smallest first; else empty."""
        return [] if self.budget_state is None else list(self.budget_state.table.budgets)

    @property
    def budget(self) -> float | None:
        """The share of `static_cost` that `set_budget` set, `None` where the thresholds are the trained ones.

        It is `None` too where it holds no longer: the model was trained since, calibrated to a rate, or given other
        weights.
        """
        state = self.budget_state
        if state is None or state.share is None:
            return None
        return state.share if _has_thresholds_of(self, state) and _has_weights_of(self, state) else None

    def set_budget(self: Any, share: float | None) -> None:
        """Moves the thresholds of all routers so that images execute this share of `static_cost` on average.

        One number is added to the scores of all routers: which images, and which parts, come first stays as it was
        trained, and images still differ in what they execute. The mean holds for images like those that
        `tf_routing.calibrate_budgets` was given; a single image may cost less or more. A budget is kept in files,
        copies and exports, and holds however the model is executed.

        Args:
            share: Float, the share of `static_cost`: one of `budgets`, or between them. `None` brings back the
                trained thresholds, bit for bit.

        Raises:
            ValueError: If the model was not calibrated to budgets, or was trained or given other weights since, or
                `share` is no number or outside of what it was calibrated for.

        Example:

        >>> import tf_routing
        >>> from tf_routing import layers
        >>> image, maps = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
        >>> branch = keras.Model(maps, keras.layers.Conv2D(3, 3, padding="same")(maps), name="branch")
        >>> features = layers.SkipBlock(branch)(image, layers.SkipRouter(seed=1)(image))
        >>> answers = keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(features))
        >>> model = tf_routing.RoutedModel(image, answers)
        >>> images = np.random.default_rng(0).uniform(size=(100, 8, 8, 3)).astype("float32")
        >>> rows = tf_routing.calibrate_budgets(model, images, budgets=(0.5, 0.8))
        >>> model.set_budget(0.5)
        >>> round(float(model.cost(images).mean() / model.static_cost), 2)
        0.5
        """
        expected = apply_budget(self, share)
        if share is not None and expected is not None and abs(expected / share - 1) > TOLERANCE:
            warn(f"{self.name!r} executes about {expected:.3g} of its static cost: no threshold comes nearer "
                 f"to the budget {share:g}, since images score alike.")  # fmt: skip


def apply_budget(model: Any, share: float | None) -> float | None:
    """Moves thresholds as `set_budget` does, and returns the share that images are expected to execute.

    Args:
        model: A `RoutedModel`.
        share: The budget, or `None` for the trained thresholds, of which nothing is expected.

    Raises:
        ValueError: See `RoutedModel.set_budget`.
    """
    if share is not None and not (is_number(share) and 0 < share <= 1):
        raise ValueError(
            "`share`, the budget, must be a number above 0 and up to 1, the share of `static_cost` that images "
            f"execute on average, or None for the trained thresholds. Received: share={share!r}"
        )
    state = model.budget_state
    if state is None:
        if share is not None:
            raise ValueError(_explain_missing(model, share))
        return None
    point = None if share is None else state.table.find(share)
    _check_thresholds(model, state)
    if point is None:
        _move(model, replace(state, share=None, offset=0.0))
        return None
    if not _has_weights_of(model, state):
        raise ValueError(
            f"The weights of {model.name!r} are no longer those that its budgets were calibrated with. {_AGAIN} "
            f"Received: share={share!r}"
        )
    _move(model, replace(state, share=plain(share), offset=point.offset))
    return point.expected


def copy_budgets(source: Any, copy: Any) -> None:
    """Gives a copy with other weights, which computes the same, the budgets of a model.

    Args:
        source: A `RoutedModel`; any other model has none.
        copy: The copy, whose routers have the names of the source's.
    """
    state = getattr(source, "budget_state", None)
    if state is None:
        return
    routers = find_routers(copy)
    trained = {}
    for name, thresholds in state.table.trained.items():
        # The same weights, perhaps at other places among those of the router.
        numbers = read_thresholds(routers[name], thresholds.choices).values
        values = dict(zip(numbers, thresholds.values.values(), strict=True))
        trained[name] = thresholds._replace(values=values)
    known = _has_weights_of(source, state)
    # Of a model that was trained since, the copy's budgets are as void as its own.
    fingerprint = weights_fingerprint(copy, routers, trained) if known else state.table.fingerprint
    copy.budget_state = replace(state, table=replace(state.table, trained=trained, fingerprint=fingerprint))


@contextmanager
def budgets_forgotten(model: Any) -> Iterator[None]:
    """Puts the trained thresholds back, if they are still those that a budget shifted, and drops the budgets.

    If what is done then raises, the model has both again.
    """
    state = model.budget_state
    is_shifted = state is not None and _has_thresholds_of(model, state)
    if is_shifted:
        _move(model, replace(state, share=None, offset=0.0))
    model.budget_state = None
    try:
        yield
    except BaseException:
        model.budget_state = state
        if is_shifted:
            _move(model, state)
        raise


def _move(model: Any, state: BudgetState) -> None:
    apply_offset(find_routers(model), state.table.trained, state.offset)
    model.budget_state = state


def _check_thresholds(model: Any, state: BudgetState) -> None:
    if not _has_thresholds_of(model, state):
        raise ValueError(
            f"The thresholds of {model.name!r} are no longer those that `set_budget` left: it was trained, calibrated "
            f"to a rate, or given other weights. {_AGAIN}"
        )


def _has_thresholds_of(model: Any, state: BudgetState) -> bool:
    routers = find_routers(model)
    weights = threshold_weights(routers, state.table.trained)
    found = [np.array(weight) for weight in weights]
    apply_offset(routers, state.table.trained, state.offset)
    expected = [np.array(weight) for weight in weights]
    for weight, values in zip(weights, found, strict=True):
        weight.assign(values)
    return all(np.array_equal(old, new) for old, new in zip(found, expected, strict=True))


def _has_weights_of(model: Any, state: BudgetState) -> bool:
    return weights_fingerprint(model, find_routers(model), state.table.trained) == state.table.fingerprint


def _explain_missing(model: Any, share: Any) -> str:
    if not find_routers(model):
        return f"{model.name!r} has no routers with thresholds: it always costs its `static_cost`. Received: {share!r}"
    return (
        f"{model.name!r} knows no budgets yet: call tf_routing.calibrate_budgets(model, images) first, with images "
        f"that neither training nor tests use, or `tf-routing calibrate` for a run. Received: share={share!r}"
    )
