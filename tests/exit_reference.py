"""Networks that leave early in plain NumPy: reach, costs and losses, written from the paper's equations.

Trees are read as data (columns, junction, sinks; layer of an exit), with no function of the package.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.numpy_reference import softmax

FLOOR = 1e-6


def is_exit(part: Any) -> bool:
    return not hasattr(part, "sinks")


def layers(part: Any) -> list[str]:
    """The layers that a sample here runs through, before it goes on."""
    if is_exit(part):
        return [part.layer]
    return [*part.columns, *([] if part.junction is None else [part.junction])]


def leaves(part: Any) -> list[str]:
    return [part.layer] if is_exit(part) else [leaf for sink in part.sinks for leaf in leaves(sink)]


def junctions(part: Any) -> dict[str, int]:
    """The number of sinks by junction."""
    if is_exit(part):
        return {}
    own = {} if part.junction is None else {part.junction: len(part.sinks)}
    return own | {name: count for sink in part.sinks for name, count in junctions(sink).items()}


def all_layers(part: Any) -> list[str]:
    return layers(part) + ([] if is_exit(part) else [name for sink in part.sinks for name in all_layers(sink)])


def reach(
    tree: Any, scores: Mapping[str, np.ndarray], temperature: float, floor: float = FLOOR
) -> dict[str, np.ndarray]:
    """Eq. 4 with the floor: `pi_i = (1 - e / p) softmax(s / tau)_i + e_i / p` and `p_i = p pi_i`."""
    found = {}

    def kept(part: Any) -> float:
        return floor * len(leaves(part)) / len(leaves(tree))

    def visit(part: Any, p: np.ndarray) -> None:
        found.update(dict.fromkeys(layers(part), p))
        if is_exit(part):
            return
        if part.junction is None:
            visit(part.sinks[0], p)
            return
        chances = softmax(scores[part.junction] / temperature)
        for number, sink in enumerate(part.sinks):
            visit(sink, p * ((1 - kept(part) / p) * chances[:, number] + kept(sink) / p))

    visit(tree, np.ones(len(next(iter(scores.values())))))
    return found


def one_hot_reach(tree: Any, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which layers each sample runs through if the largest score decides."""
    found = {}

    def visit(part: Any, here: np.ndarray) -> None:
        found.update(dict.fromkeys(layers(part), here))
        for number, sink in enumerate([] if is_exit(part) else part.sinks):
            chosen = 1.0 if part.junction is None else scores[part.junction].argmax(axis=1) == number
            visit(sink, here * chosen)

    visit(tree, np.ones(len(next(iter(scores.values())))))
    return found


def entropies(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Cross-entropy of each exit with `p = eps / n + (1 - eps) softmax`, `(batch, exits)`."""
    probabilities = FLOOR / logits.shape[-1] + (1 - FLOOR) * softmax(logits)
    return -(targets[:, None] * np.log(probabilities)).sum(axis=-1)


def mistakes(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """1 where an exit's answer is wrong, `(batch, exits)`."""
    return (logits.argmax(axis=-1) != targets.argmax(axis=-1)[:, None]).astype("float64")


def costs(
    tree: Any,
    errors: Mapping[str, np.ndarray],
    per_mac: Any,
    macs: Mapping[str, int],
    scores: Mapping[str, np.ndarray] | None,
) -> dict[str, np.ndarray]:
    """What following each sink costs, Eq. 6 (the largest score decides) or 7 (without scores: the cheapest)."""
    found = {}

    def visit(part: Any) -> np.ndarray:
        own = per_mac * sum(macs[name] for name in layers(part))
        if is_exit(part):
            return errors[part.layer] + own
        below = np.stack([visit(sink) for sink in part.sinks], axis=1)
        if part.junction is None:
            return own + below[:, 0]
        found[part.junction] = below
        if scores is None:
            return own + below.min(axis=1)
        return own + below[np.arange(len(below)), scores[part.junction].argmax(axis=1)]

    visit(tree)
    return found
