"""How surely samples reach the parts of a network that leaves early."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage

FLOOR = 1e-6


def soft_reach(tree: Stage | Exit, scores: Mapping[str, Any], temperature: Any, floor: float = FLOOR) -> dict[str, Any]:
    """Returns the probability with which each sample reaches each layer where junctions decide at random.

    A sink is taken with the probability that a softmax of the scores over the temperature gives, but for a share of
    `floor`, which all exits divide evenly: so each exit stays within reach, and the probabilities of all exits still
    sum to one.

    Args:
        tree: The network's shape.
        scores: Tensors `(batch, sinks)` by junction.
        temperature: Float or scalar tensor.
        floor: Float.

    Returns:
        Dict from layer to a tensor `(batch,)`; without a junction to a scalar one.

    Example:

    >>> tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
    >>> reach = soft_reach(tree, {"junction_1": ops.array([[0.0, 0.0]])}, temperature=1.0)
    >>> float(reach["column_1"][0]), float(reach["exit_1"][0])
    (1.0, 0.5)

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, Eq. 4,
    which has no such floor; it is that of the authors' public code.
    """
    share = floor / len(exit_tree.exits(tree))

    def kept(part: Stage | Exit) -> float:
        """What is reserved for the exits of a part."""
        return share * len(exit_tree.exits(part))

    def visit(part: Stage | Exit, reach: Any) -> dict[str, Any]:
        """The reach of a part's layers and of all that follows."""
        found = dict.fromkeys(part.layers, reach)
        if isinstance(part, Exit):
            return found
        if part.junction is None:
            return found | visit(part.sinks[0], reach)
        chances = ops.softmax(ops.cast(scores[part.junction], "float32") / temperature)
        for number, sink in enumerate(part.sinks):
            found |= visit(sink, (reach - kept(part)) * chances[:, number] + kept(sink))
        return found

    return visit(tree, _certain(tree, scores))


def hard_reach(tree: Stage | Exit, decisions: Mapping[str, Any]) -> dict[str, Any]:
    """Returns 1 for each layer that a sample runs through, and 0 for the others.

    Args:
        tree: The network's shape.
        decisions: Tensors `(batch, sinks)` by junction, rows of zeros for samples that do not come there.

    Returns:
        Dict from layer to a tensor `(batch,)`; without a junction to a scalar one.

    Example:

    >>> tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
    >>> hard_reach(tree, {"junction_1": ops.array([[0.0, 1.0]])})["exit_2"].numpy().tolist()
    [1.0]
    """
    gates, certain = exit_tree.waits(tree), _certain(tree, decisions)
    layers = [layer for part in exit_tree.parts(tree) for layer in part.layers]
    return {
        layer: ops.cast(decisions[gates[layer][0]], "float32")[:, gates[layer][1]] if layer in gates else certain
        for layer in layers
    }


def _certain(tree: Stage | Exit, by_junction: Mapping[str, Any]) -> Any:
    """One for each sample, of whatever number."""
    for name in exit_tree.junctions(tree):
        return ops.ones_like(ops.cast(by_junction[name], "float32")[:, 0])
    return ops.ones((), "float32")
