"""One running mean per loss term, so that all appear in the logs by name."""

from typing import Any

import keras

from tf_routing.objectives.objective import Objective


class TermMeans:
    """An objective with a running mean for each of its terms, and for each number that it measures besides.

    Deliberately not a Keras object: a model must not track the means as weights.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        names = (*objective.names, *objective.measured_names)
        self.means = {name: keras.metrics.Mean(name=name) for name in names}

    def total(self, labels: Any, outputs: dict[str, Any], sample_weight: Any, training: bool) -> Any:
        """Returns the sum of the terms and adds each to its mean, weighted by the batch's size."""
        objective = self.objective if training else self.objective.at_evaluation()
        terms = objective(labels, outputs, sample_weight)
        size = keras.ops.shape(outputs["probabilities"])[0]
        for name, value in {**terms, **objective.measures(outputs)}.items():
            self.means[name].update_state(value, sample_weight=size)
        return in_one_sum(list(terms.values()))


def in_one_sum(values: list[Any]) -> Any:
    """Returns the sum of scalars, whose last bit is the same in every graph.

    TensorFlow reorders a chain of additions by the names of its operations, and names depend on what was built before.
    """
    return keras.ops.sum(keras.ops.stack(values))
