"""What images would cost at other thresholds, told from the scores that they had in one run."""

from typing import Any

import numpy as np

from tf_routing import exit_tree
from tf_routing.models.decisions import gates_before
from tf_routing.transforms.budgets.runs import Run, Runs
from tf_routing.transforms.budgets.score_models import EXIT_LOGITS, PROBABILITIES, score_name
from tf_routing.transforms.budgets.sink_spans import Span, find_spans, margins

_ALWAYS = Span(np.array(-np.inf), np.array(np.inf))


class GatedCosts:
    """Mean MACs by offset of networks whose routers switch blocks, each on or off by its own score.

    An estimate away from the run: blocks that run or do not change what later routers read. A block between exits
    counts at those offsets at which an image comes to it.

    Args:
        runs: The runs.
        run: One of them.
    """

    def __init__(self, runs: Runs, run: Run) -> None:
        self.by_router: dict[str, np.ndarray] = {}
        steps: list[tuple[np.ndarray, np.ndarray]] = []
        for number, part in enumerate(runs.parts):
            outputs, behind = run.outputs[number], gates_before(part.model)
            spans = find_spans(exit_tree.find_tree(part.model), outputs, run.offset)
            self.by_router |= {part.prefix + name: flips for name, flips in spans.flips.items()}
            for name, macs in runs.gates_of(number):
                if name in spans.sinks:
                    for span, each in zip(spans.sinks[name], macs, strict=True):
                        steps += _step(*span, each)
                    continue
                own = _flips_of(runs, run, number, name)
                if own is None or own.shape != outputs[name].shape:
                    # No threshold that moves decides it.
                    own = np.where(outputs[name] > 0.5, -np.inf, np.inf)
                else:
                    self.by_router[part.prefix + name] = own
                junction, sink = behind.get(name, (None, 0))
                comes = _ALWAYS if junction is None else [each[:, None] for each in spans.sinks[junction][sink]]
                begins = np.maximum(own, comes[0])
                steps += _step(begins, np.maximum(begins, comes[1]), macs)
        self.flips = _join(list(self.by_router.values()))
        places, macs = (_join([each[k] for each in steps], ordered=False) for k in (0, 1))
        order = np.argsort(places)
        self.places = places[order]
        self.rising = runs.fixed + np.concatenate([[0.0], np.cumsum(macs[order])]) / len(run.macs)

    def mean_macs(self, offsets: np.ndarray) -> np.ndarray:
        """Returns the mean of MACs per image at each offset."""
        return self.rising[np.searchsorted(self.places, offsets)]


def _step(begins: np.ndarray, ends: np.ndarray, macs: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the offsets at which the cost of images changes, and by how many MACs: what begins to run ends again."""
    rises = np.broadcast_to(np.asarray(macs, "float64"), begins.shape)
    return [(begins, rises), (ends, -rises)]


def _join(arrays: list[np.ndarray], ordered: bool = True) -> np.ndarray:
    joined = np.concatenate([np.zeros(0), *(each.reshape(-1) for each in arrays)])
    return np.sort(joined) if ordered else joined


def _flips_of(runs: Runs, run: Run, number: int, name: str) -> np.ndarray | None:
    """Returns the offset above which each choice of each image is taken, `(images, choices)`."""
    margins = run.outputs[number].get(score_name(name))
    if margins is None:
        return None
    flips = run.offset - margins.astype("float64")
    if runs.routers[runs.parts[number].prefix + name].least_rate > 0:
        # The best choice is taken whatever the threshold.
        flips[np.arange(len(flips)), flips.argmin(axis=1)] = -np.inf
    return flips


class ExitCosts:
    """MACs by offset of networks that leave early: exact, since no score depends on where an image leaves.

    Args:
        runs: The runs.
        run: One of them.
    """

    def __init__(self, runs: Runs, run: Run) -> None:
        self.runs, self.base = runs, run
        self.by_router = {
            part.prefix + name: run.offset - margins(outputs[score_name(name)])
            for part, outputs in zip(runs.parts, run.outputs, strict=True)
            for name in part.model.decision_names
        }
        self.flips = np.sort(np.concatenate(list(self.by_router.values())))

    def mean_macs(self, offsets: np.ndarray) -> np.ndarray:
        """Returns the mean of MACs per image at each offset."""
        return np.array([self._count_macs(self._walk(offset)).mean() for offset in offsets])

    def run(self, offset: float) -> Run:
        """Returns what a run at this offset would."""
        ways = self._walk(offset)
        outputs = [
            {**shown, **decisions, PROBABILITIES: _take_exits(shown[EXIT_LOGITS], leaving)}
            for shown, (decisions, leaving) in zip(self.base.outputs, ways, strict=True)
        ]
        probabilities = np.mean([each[PROBABILITIES] for each in outputs], axis=0)
        return Run(offset, self._count_macs(ways), self.runs.measure(probabilities), outputs)

    def _walk(self, offset: float) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Returns what `walk_tree` does, by part."""
        shift = offset - self.base.offset
        return [
            walk_tree(exit_tree.find_tree(part.model), outputs, shift)
            for part, outputs in zip(self.runs.parts, self.base.outputs, strict=True)
        ]

    def _count_macs(self, ways: list[tuple[dict[str, np.ndarray], np.ndarray]]) -> np.ndarray:
        return self.runs.count_macs([decisions for decisions, _ in ways])


def walk_tree(tree: Any, outputs: Any, shift: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the decisions of every junction at shifted thresholds, and the exit that each image takes.

    Args:
        tree: The tree of exits.
        outputs: What a score model showed.
        shift: Float, by how much every margin for going on grows.

    Returns:
        Pair of 0/1 switches `(images, sinks)` by junction, rows of zeros where an image does not come, and the number
        of an exit in the order of `exit_tree.exits`, `(images,)`.
    """
    leaves = exit_tree.exits(tree)
    leaving = np.zeros(len(outputs[PROBABILITIES]), int)

    def walk(part: Any, comes: np.ndarray) -> None:
        """Sends on the images that come to a part of the tree."""
        if isinstance(part, exit_tree.Exit):
            leaving[comes] = leaves.index(part)
        elif part.junction is None:
            walk(part.sinks[0], comes)
        else:
            # In double precision: rounding must not make scores equal that are not.
            scores = outputs[score_name(part.junction)].astype("float64")
            scores[:, 0] -= shift
            chosen = scores.argmax(axis=1)
            for number, sink in enumerate(part.sinks):
                walk(sink, comes & (chosen == number))

    walk(tree, np.ones(len(leaving), bool))
    switches = exit_tree.switches_by_exit(tree)
    return {name: np.array(taken, "float64")[leaving] for name, taken in switches.items()}, leaving


def _take_exits(logits: np.ndarray, leaving: np.ndarray) -> np.ndarray:
    chosen = logits[np.arange(len(leaving)), leaving].astype("float64")
    # The order of classes is that of any activation that ends in class probabilities.
    powers = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
