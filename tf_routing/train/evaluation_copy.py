"""The copy of a model that is evaluated and saved while several replicas train the model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tf_routing.models import RoutedModel
from tf_routing.train.checkpoint import run_variables
from tf_routing.train.distribution.replica_values import replica_count


class EvaluationCopy:
    """A model and, where several replicas train it, a copy outside of their strategy.

    What is measured, saved and drawn comes from the copy: Keras evaluates on one host only and leaves replicas with
    empty batches, and the file that is saved is the one that one device saves.

    Args:
        model: The model that trains.
        strategy: Its `tf.distribute.Strategy`, `None` for one device.
        build: Builds the same network again.
    """

    def __init__(self, model: RoutedModel, strategy: Any, build: Callable[[], RoutedModel]) -> None:
        self.model = model
        self.copy = model if replica_count(strategy) == 1 else build()

    def compile(self, compile_network: Callable[[RoutedModel], None]) -> None:
        """Compiles the copy, if there is one, as the model is compiled.

        Args:
            compile_network: Compiles a network.
        """
        if self.copy is not self.model:
            compile_network(self.copy)
            self.copy.optimizer.build(self.copy.trainable_variables)

    def update(self) -> RoutedModel:
        """Gives the copy the values that the model has now, and returns what to measure."""
        if self.copy is not self.model:
            for variable, copied in zip(run_variables(self.model), run_variables(self.copy), strict=True):
                copied.assign(np.asarray(variable))
        return self.copy
