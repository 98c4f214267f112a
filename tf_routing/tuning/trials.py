"""Builds, trains and measures the network of one trial of a search, with the values that a tuner chose."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.data import Dataset, ImageSet
from tf_routing.data.batching.batches import add_drawn_inputs, evaluation_batches, training_batches
from tf_routing.evaluation.routing_statistics import is_gated, routing_statistics
from tf_routing.models import RoutedModel
from tf_routing.support.extras import import_extra
from tf_routing.support.validation import part_of_one
from tf_routing.train.networks import build_network
from tf_routing.train.phases import Phase, compile_for
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.tuning.search_space import Parameter, select_part, set_objective_values

_EVALUATION_BATCH = 256


def held_out(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Returns a dataset whose test images are a part of the training images, which lack them.

    Args:
        dataset: A dataset in memory.
        share: Float between 0 and 1, the part that is held out, of each class alike.
        seed: Integer, decides which.

    Raises:
        ValueError: If the images are not in memory, the share is not possible, or a class has too few images.

    Example:

    >>> from tf_routing import data
    >>> held_out(data.load("digits"), 0.2, seed=0).test.image_count
    270
    """
    if not isinstance(dataset.train, ImageSet):
        raise ValueError(f"`dataset` must be one that fits in memory. Received: dataset={dataset.name!r}")
    part_of_one("validation_share", share)
    images, labels = dataset.train
    split = import_extra("sklearn.model_selection", "tune", "A held-out part").train_test_split
    kept, out = split(np.arange(len(labels)), test_size=share, stratify=labels, random_state=seed)
    kept, out = np.sort(kept), np.sort(out)
    return dataset._replace(train=ImageSet(images[kept], labels[kept]), test=ImageSet(images[out], labels[out]))


class Trials:
    """Builds, trains and measures the network of a trial, as a tuner asks (a `keras_tuner.HyperModel` in form).

    Args:
        architecture: Name of the zoo.
        dataset: What trials learn from and are measured on.
        recipe: How they train, where its fields are not searched.
        epochs: Integer, epochs of a whole trial.
        seed: Integer, the same for all trials, so that their values alone make them differ.
        model_arguments: Arguments of `zoo.get` that stay.
    """

    def __init__(
        self,
        architecture: str,
        dataset: Dataset,
        recipe: Recipe,
        epochs: int,
        seed: int,
        model_arguments: dict[str, Any],
    ) -> None:
        self.architecture, self.dataset, self.recipe, self.epochs = architecture, dataset, recipe, epochs
        self.seed, self.model_arguments = seed, model_arguments
        self.space: Sequence[Parameter] = ()
        self.steps = recipe.steps_in(dataset.train)

    def network(self, **searched: Any) -> RoutedModel:
        """Returns a new network, not compiled, with these arguments and those that stay."""
        keras.utils.set_random_seed(self.seed)
        return build_network(self.architecture, self.dataset, self.recipe, {**self.model_arguments, **searched})

    def build(self, chosen: Any) -> RoutedModel:
        """Returns the compiled network of a trial.

        Args:
            chosen: A `keras_tuner.HyperParameters`; all that is searched is registered with it.
        """
        values = {
            parameter.name: chosen.Float(parameter.name, parameter.low, parameter.high, sampling=parameter.sampling)
            for parameter in self.space
        }
        model = self.network(**select_part("network", self.space, values))
        set_objective_values(model, select_part("objective", self.space, values))
        # Hyperband trains some for fewer epochs, and then goes on: the rate falls over those that a trial has.
        first, last = (chosen.values.get(f"tuner/{key}") for key in ("initial_epoch", "epochs"))
        epochs = last - (first or 0) if last else self.epochs
        recipe = self.recipe.changed(epochs=epochs, **select_part("recipe", self.space, values))
        compile_for(Phase(0, epochs, frozen=False), model, recipe, self.steps)
        return model

    def fit(
        self, chosen: Any, model: RoutedModel, epochs: int, callbacks: list[Any], initial_epoch: int = 0, **_: Any
    ) -> dict[str, float]:
        """Trains the network of a trial, and returns what the log of its last epoch says."""
        drawn = model.default_objective().drawn_inputs
        batches = add_drawn_inputs(self._batches(initial_epoch, epochs), drawn, self.seed, initial_epoch * self.steps)
        tested = add_drawn_inputs(evaluation_batches(self.dataset.test, _EVALUATION_BATCH), drawn, self.seed)
        history = model.fit(
            batches,
            epochs=epochs,
            initial_epoch=initial_epoch,
            steps_per_epoch=self.steps,
            shuffle=False,
            validation_data=tested,
            callbacks=callbacks,
            verbose=0,
        ).history
        results = {name: float(values[-1]) for name, values in history.items()}
        if is_gated(model) and not drawn:
            statistics = routing_statistics(model, model.routes(tested))
            results["executed_share"] = statistics["executed_macs"]["mean"] / model.static_cost
        return results

    def _batches(self, first_epoch: int, epochs: int) -> Any:
        plan = self.recipe.batch_plan(self.dataset, self.seed, epochs, first_epoch)
        return training_batches(self.dataset.train, plan)
