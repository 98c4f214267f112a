"""The probability of samples to reach the layers of an early-exit network, from scores or from decisions."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage

# The value in the authors' public code.
FLOOR = 1e-6


def soft_reach(tree: Stage | Exit, scores: Mapping[str, Any], temperature: Any, floor: float = FLOOR) -> dict[str, Any]:
    """Returns the probabilities of samples to reach layers if junctions choose sinks at random by their scores.

        p_sink = (p_j - e_j) softmax(s_j / tau)_i + e_sink,   e_v = floor * leaves(v) / leaves(root)

    with p_j the reach of junction j and s_j its scores. The floor keeps every exit within reach, and probabilities of
    all exits still sum to one.

    Args:
        tree: The network's shape.
        scores: Tensors `(batch, sinks)` by junction.
        temperature: Float or scalar tensor, tau.
        floor: Float, the probability that all exits share regardless of scores.

    Returns:
        Dict from layer to a tensor `(batch,)`; without a junction to a scalar one.

    Example:

    >>> tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
    >>> reach = soft_reach(tree, {"junction_1": ops.array([[0.0, 0.0]])}, temperature=1.0)
    >>> float(reach["column_1"][0]), float(reach["exit_1"][0])
    (1.0, 0.5)

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, section 4.1, Eq. 4. The floor is that of the authors' public code.
    """
    share = floor / len(exit_tree.exits(tree))

    def kept(part: Stage | Exit) -> float:
        """Returns e_v, the probability that the exits below a part share regardless of scores."""
        return share * len(exit_tree.exits(part))

    def visit(part: Stage | Exit, reach: Any) -> dict[str, Any]:
        """Returns the reach of the layers of a part and of all parts below it, given that of the part."""
        found = dict.fromkeys(part.layers, reach)
        if isinstance(part, Exit):
            return found
        if part.junction is None:
            return found | visit(part.sinks[0], reach)
        # In float32 also under mixed precision: half precision would round the floor away.
        chances = ops.softmax(ops.cast(scores[part.junction], "float32") / temperature)
        for number, sink in enumerate(part.sinks):
            found |= visit(sink, (reach - kept(part)) * chances[:, number] + kept(sink))
        return found

    return visit(tree, _certain(tree, scores))


def hard_reach(tree: Stage | Exit, decisions: Mapping[str, Any]) -> dict[str, Any]:
    """Returns 1 for layers that a sample runs through, and 0 for the others.

    Args:
        tree: The network's shape.
        decisions: Tensors `(batch, sinks)` by junction, with rows of zeros for samples that do not reach it.

    Returns:
        Dict from layer to a tensor `(batch,)`; without a junction to a scalar one.

    Example:

    >>> tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
    >>> hard_reach(tree, {"junction_1": ops.array([[0.0, 1.0]])})["exit_2"].numpy().tolist()
    [1.0]
    """
    gates, certain = exit_tree.gates_by_layer(tree), _certain(tree, decisions)
    layers = [layer for part in exit_tree.parts(tree) for layer in part.layers]
    return {
        layer: ops.cast(decisions[gates[layer][0]], "float32")[:, gates[layer][1]] if layer in gates else certain
        for layer in layers
    }


def _certain(tree: Stage | Exit, by_junction: Mapping[str, Any]) -> Any:
    """Returns ones `(batch,)`, or a scalar one if there is no junction that shows the size of the batch."""
    for name in exit_tree.junctions(tree):
        return ops.ones_like(ops.cast(by_junction[name], "float32")[:, 0])
    return ops.ones((), "float32")
