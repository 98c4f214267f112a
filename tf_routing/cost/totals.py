"""The cost of a network: with every part run, by decision, as executed, and as expected of probabilities."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tf_routing import exit_tree
from tf_routing.cost.graph_costs import layer_costs


def static_macs(model: keras.Model) -> int:
    """Returns the MACs per sample of a functional model with every part run that a sample can run.

    Args:
        model: A functional Keras model with fixed spatial input sizes.

    Returns:
        Integer, multiply-accumulates per sample. Of a network that leaves early they are those of its most expensive
        route.

    Raises:
        ValueError: If an input size is not fixed, or a layer's cost is not known.

    Example:

    >>> inputs = keras.Input((8, 8, 3))
    >>> static_macs(keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(inputs)))
    6912
    """
    rows = list(layer_costs(model))
    tree = exit_tree.find_tree(model)
    routes = [] if tree is None else [set(route.layers) for route in exit_tree.routes(tree)]
    on_some_route = set().union(*routes)
    common = sum(row.macs for row in rows if row.layer not in on_some_route)
    return common + max((sum(row.macs for row in rows if row.layer in route) for route in routes), default=0)


def gated_macs(model: keras.Model) -> tuple[int, dict[str, np.ndarray]]:
    """Returns the cost that all samples have, and the cost that every choice of a decision adds.

    Args:
        model: A functional Keras model with fixed spatial input sizes.

    Returns:
        Pair of an integer, the MACs per sample that no switch governs, and a dict from decision name to an integer
        array `(choices,)`. Decisions that govern no layer, such as gates of multi-path nets, are not in it.

    Raises:
        ValueError: If an input size is not fixed, or a layer's cost is not known.

    Example:

    >>> from tf_routing import zoo
    >>> fixed, gated = gated_macs(zoo.get("dmnn50_cifar_n2"))
    >>> fixed, len(gated), gated["controller_1"].tolist()
    (31771648, 16, [6439936, 6439936])
    """
    fixed = 0
    gated: dict[str, Counter[int]] = {}
    for row in layer_costs(model):
        if row.gate is None:
            fixed += row.macs
        else:
            gated.setdefault(row.gate.decision, Counter())[row.gate.choice] += row.macs
    return fixed, {name: _as_array(by_choice) for name, by_choice in gated.items()}


def _as_array(by_choice: Counter[int]) -> np.ndarray:
    return np.array([by_choice[choice] for choice in range(max(by_choice) + 1)], dtype="int64")


def executed_macs(model: keras.Model, decisions: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Returns the MACs executed for each sample.

    Args:
        model: A functional Keras model with fixed spatial input sizes.
        decisions: 0/1 switches `(count, choices)` by decision name, as `RoutedModel.routes` returns.
        count: Integer, number of samples.

    Returns:
        Integer array `(count,)`. Where decisions are NaN, nothing that they govern is counted.

    Example:

    >>> from tf_routing import zoo
    >>> executed_macs(zoo.get("basecnn"), {}, count=2).tolist()
    [38896960, 38896960]
    """
    fixed, gated = gated_macs(model)
    total = np.full(count, fixed, dtype="int64")
    for name, macs in gated.items():
        # An image that holds NaN has no route: it costs what no switch governs.
        total += np.nan_to_num(np.asarray(decisions[name])).round().astype("int64") @ macs
    return total


def expected_macs(gated: Mapping[str, Any], probabilities: Mapping[str, Any]) -> Any:
    """Returns the MACs that switches with these probabilities add on average, differentiable.

    Args:
        gated: MACs `(choices,)` by decision name; in any unit, since float32 cannot hold billions exactly.
        probabilities: Tensors `(..., choices)` by decision name.

    Returns:
        Tensor `(...)`, in the unit of `gated`.

    Example:

    >>> float(expected_macs({"controller_1": [4.0, 6.0]}, {"controller_1": keras.ops.array([0.5, 1.0])}))
    8.0
    """
    terms = [
        keras.ops.sum(probabilities[name] * keras.ops.cast(macs, probabilities[name].dtype), axis=-1)
        for name, macs in gated.items()
    ]
    return sum(terms[1:], start=terms[0])
