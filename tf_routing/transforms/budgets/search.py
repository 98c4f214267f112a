"""Searches the offset of all thresholds at which a model executes a given cost on average."""

from typing import Any

import numpy as np

from tf_routing import exit_tree
from tf_routing.models.decisions import routers_between
from tf_routing.transforms.budgets.expected_costs import ExitCosts, GatedCosts
from tf_routing.transforms.budgets.runs import Run, Runs
from tf_routing.transforms.budgets.score_models import PROBABILITIES

_NEAR = 0.002
"""How near to its target a search ends, relative to that: a tenth of what budgets promise."""
_TRIES = 8
_CANDIDATES = 1024
# Offsets whose costs differ by less than this are as good: then the one with the most room around it is taken.
_ALIKE = 0.0005


class OffsetSearch:
    """Runs at some offsets, and what they tell about all others.

    Where blocks are switched, scores depend on what ran before, so that costs between two runs are estimated from the
    scores in both, and the estimate is run. A network that leaves early and skips nothing is run once.

    Args:
        runs: A model and images.

    Raises:
        ValueError: If an image has no answer.

    Attributes:
        known: Runs so far, by rising offset.
    """

    def __init__(self, runs: Runs) -> None:
        first = runs.run(0.0)
        _refuse_broken(first)
        self._exact = ExitCosts(runs, first) if all(_only_leaves(part.model) for part in runs.parts) else None
        self._runs, self.known = runs, [first]
        self._costs: dict[float, Any] = {}
        far = 10 * float(np.abs(self._costs_of(first).flips).clip(max=1e30).max(initial=0)) + 10
        for offset in (-far, far):
            self._run(offset)

    @property
    def least(self) -> float:
        """The least mean of MACs per image that was seen."""
        return min(run.mean for run in self.known)

    @property
    def most(self) -> float:
        """The largest mean of MACs per image that was seen."""
        return max(run.mean for run in self.known)

    def find(self, target: float) -> Run:
        """Returns the run whose mean is nearest to some MACs per image.

        Args:
            target: Float, from `least` to `most`.
        """
        for number in range(_TRIES):
            best = min(self.known, key=lambda run: abs(run.mean - target))
            between = self._bracket(target)
            if abs(best.mean / target - 1) <= _NEAR or between is None:
                break
            # An estimate that stays on one side of its target would narrow one end for ever.
            offset = self._propose(target, *between, halve=number % 3 == 2)
            if offset is None:
                break
            self._run(offset)
        return min(self.known, key=lambda run: abs(run.mean - target))

    def curve(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns offsets midway between those at which a decision changes, their expected means, and their room.

        Args:
            low: Float, where offsets begin.
            high: Float, where they end.

        Returns:
            Three arrays: rising offsets, at most some hundred; MACs per image; and how far apart the two changes are
            that an offset lies between.
        """
        flips = np.concatenate([self._costs_of(run).flips for run in self._sources(low, high)])
        flips = np.unique(flips[(flips > low) & (flips < high)])
        offsets, room = (flips[1:] + flips[:-1]) / 2, np.diff(flips)
        kept = np.unique(np.linspace(0, max(len(offsets) - 1, 0), _CANDIDATES).round().astype(int))[: len(offsets)]
        offsets, room = offsets[kept], room[kept]
        return offsets, self._expect(offsets), room

    def tied(self, target: float) -> tuple[str, int] | None:
        """Returns the router with the most images of one score where the target is jumped over, and their number."""
        between = self._bracket(target)
        if between is None:
            return None
        found = []
        for name, flips in self._costs_of(between[0]).by_router.items():
            inside = flips[(flips >= between[0].offset) & (flips <= between[1].offset)]
            if len(inside):
                found.append((name, int(np.unique(inside, return_counts=True)[1].max())))
        return max(found, key=lambda each: each[1], default=None)

    def _run(self, offset: float) -> None:
        run = self._runs.run(offset) if self._exact is None else self._exact.run(offset)
        self.known = sorted([*self.known, run], key=lambda run: run.offset)

    def _costs_of(self, run: Run) -> Any:
        if self._exact is not None:
            return self._exact
        if run.offset not in self._costs:
            self._costs[run.offset] = GatedCosts(self._runs, run)
        return self._costs[run.offset]

    def _sources(self, low: float, high: float) -> list[Run]:
        """Returns the runs that tell about offsets between two."""
        if self._exact is not None:
            return self.known[:1]
        before, after = ([run for run in self.known if side(run.offset)] for side in (low.__ge__, high.__le__))
        return [*before[-1:], *(run for run in self.known if low < run.offset < high), *after[:1]]

    def _bracket(self, target: float) -> tuple[Run, Run] | None:
        """Returns two runs next to each other with the target between their means."""
        pairs = zip(self.known[:-1], self.known[1:], strict=True)
        return next(((a, b) for a, b in pairs if (a.mean - target) * (b.mean - target) <= 0), None)

    def _propose(self, target: float, before: Run, after: Run, halve: bool) -> float | None:
        """Returns an offset between two runs at which decisions differ from both, `None` where there is none."""
        offsets, means, room = self.curve(before.offset, after.offset)
        if not len(offsets):
            return None
        if halve:
            return float(offsets[len(offsets) // 2])
        away = np.abs(means - target)
        alike = np.flatnonzero(away <= away.min() + _ALIKE * target)
        return float(offsets[alike[room[alike].argmax()]])

    def _expect(self, offsets: np.ndarray) -> np.ndarray:
        """Returns the expected mean at each offset: of the runs before and after it, the nearer counts more."""
        if self._exact is not None:
            return self._exact.mean_macs(offsets)
        means = np.zeros(len(offsets))
        for before, after in zip(self.known[:-1], self.known[1:], strict=True):
            inside = (offsets >= before.offset) & (offsets <= after.offset)
            share = (offsets[inside] - before.offset) / (after.offset - before.offset)
            first, last = (self._costs_of(run).mean_macs(offsets[inside]) for run in (before, after))
            means[inside] = first * (1 - share) + last * share
        return means


def _only_leaves(model: Any) -> bool:
    return exit_tree.find_tree(model) is not None and not routers_between(model)


def _refuse_broken(run: Run) -> None:
    broken = np.flatnonzero(np.isnan(run.outputs[0][PROBABILITIES]).any(axis=1))
    if len(broken):
        raise ValueError(f"`images` must hold finite numbers. Received: NaN or infinity in image {broken[0]}")
