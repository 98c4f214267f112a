"""When images come to each sink of a network that leaves early: offsets, told from the scores of one run."""

from typing import Any, NamedTuple

import numpy as np

from tf_routing import exit_tree
from tf_routing.transforms.budgets.score_models import score_name


class Span(NamedTuple):
    """The offsets of every image between which it comes to a sink.

    Args:
        starts: Where that begins, an array `(images,)`; minus infinity where it comes at any.
        ends: Where it ends.
    """

    starts: np.ndarray
    ends: np.ndarray


class SinkSpans(NamedTuple):
    """When images come where.

    Args:
        sinks: The spans of the sinks of each junction, by name of the junction.
        flips: The offset above which each image goes on, `(images,)`, by name of the junction.
    """

    sinks: dict[str, list[Span]]
    flips: dict[str, np.ndarray]


def find_spans(tree: Any, outputs: Any, offset: float) -> SinkSpans:
    """Returns when images come to each sink of a tree.

    Args:
        tree: The tree of exits, `None` of a network without.
        outputs: What a score model showed.
        offset: Float, at which it did.

    Example:

    >>> tree = exit_tree.Stage((), "junction_1", (exit_tree.Exit("exit_1"), exit_tree.Exit("exit_2")))
    >>> leave, go_on = find_spans(tree, {"junction_1/scores": np.array([[0.5, 2.0]])}, 0.0).sinks["junction_1"]
    >>> leave.ends.tolist(), go_on.starts.tolist()
    ([-1.5], [-1.5])
    """
    spans = SinkSpans({}, {})

    def walk(part: Any, span: Span) -> None:
        """Goes on to what follows a part of the tree."""
        if isinstance(part, exit_tree.Exit):
            return
        if part.junction is None:
            return walk(part.sinks[0], span)
        # In double precision: rounding must not make scores equal that are not.
        scores = outputs[score_name(part.junction)].astype("float64")
        flips = offset - margins(scores)
        # All other scores are shifted alike, so that which of them is the best stays.
        best = scores[:, 1:].argmax(axis=1) + 1
        begins, never = np.maximum(span.starts, flips), np.full(len(flips), np.inf)
        found = [Span(span.starts, np.clip(flips, span.starts, span.ends))]
        for number in range(1, len(part.sinks)):
            chosen = best == number
            found.append(Span(np.where(chosen, begins, never), np.where(chosen, np.maximum(begins, span.ends), never)))
        spans.sinks[part.junction], spans.flips[part.junction] = found, flips
        for sink, own in zip(part.sinks, found, strict=True):
            walk(sink, own)

    if tree is not None:
        count = len(next(iter(outputs.values())))
        walk(tree, Span(np.full(count, -np.inf), np.full(count, np.inf)))
    return spans


def margins(scores: np.ndarray) -> np.ndarray:
    """Returns by how much the best score for going on exceeds that for leaving, `(images,)`, in double precision.

    Args:
        scores: Scores of the sinks of a junction, `(images, sinks)`.
    """
    scores = scores.astype("float64")
    return scores[:, 1:].max(axis=1) - scores[:, 0]
