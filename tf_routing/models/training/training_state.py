"""Saves in the files of Keras what training goes on from besides weights: the objective's variables, and seeds."""

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

_SEEDS = "seed_state"


class TrainingState(keras.layers.Layer):
    """Writes the objective's variables and the states of random generators into the file of a model's weights.

    They are apart from the weights in it: whoever reads weights alone does not look there, and a file without it loads.
    The variables are asked for at every save, since `compile` makes them anew.

    Args:
        model: A `RoutedModel`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(name="training_state")

        def variables() -> dict[str, list[Any]]:
            """Returns the variables by kind."""
            return {
                "objective_variable": model.objective_variables,
                "objective_state": model.objective_state,
                _SEEDS: seed_states(model),
            }

        # Within a function: Keras follows attributes that are models, and would save this one within itself.
        self.kinds = variables

    def save_own_variables(self, store: Any) -> None:
        """Writes every variable under its kind and number."""
        for kind, variables in self.kinds().items():
            for number, variable in enumerate(variables):
                store[_key(kind, number)] = keras.ops.convert_to_numpy(variable)

    def load_own_variables(self, store: Any) -> None:
        """Reads what fits; says where the file holds nothing, or something else, for an objective that learns."""
        seeds = self.kinds()[_SEEDS]
        if _fits(store, _SEEDS, seeds):
            _read(store, _SEEDS, seeds)
        learnt = {kind: variables for kind, variables in self.kinds().items() if kind != _SEEDS}
        if all(_fits(store, kind, variables) for kind, variables in learnt.items()):
            for kind, variables in learnt.items():
                _read(store, kind, variables)
        elif any(learnt.values()):
            found = "something else than" if any(key.startswith("objective_") for key in _keys(store)) else "nothing of"
            warnings.warn(
                f"The file holds {found} what the objective of this model learns and adapts beside the weights "
                f"({_names(learnt)}): that stays as it is. Files hold it where they were saved from a model compiled "
                "with the same objective.",
                stacklevel=2,
            )


def seed_states(model: keras.Model) -> list[Any]:
    """Returns the states of the random generators in a model, in an order that its layout alone decides."""
    # Keras counts them among the variables and not among the weights.
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _key(kind: str, number: int) -> str:
    return f"{kind}_{number:03d}"


def _keys(store: Any) -> list[str]:
    # The entries of Keras's files are no dicts: they cannot be iterated.
    return list(store.keys())


def _fits(store: Any, kind: str, variables: list[Any]) -> bool:
    keys = sorted(key for key in _keys(store) if key.startswith(f"{kind}_"))
    if keys != [_key(kind, number) for number in range(len(variables))]:
        return False
    return all(np.shape(store[key]) == tuple(variable.shape) for key, variable in zip(keys, variables, strict=True))


def _read(store: Any, kind: str, variables: list[Any]) -> None:
    for number, variable in enumerate(variables):
        variable.assign(np.asarray(store[_key(kind, number)]))


def _names(learnt: Mapping[str, list[Any]]) -> str:
    names = [variable.path for variables in learnt.values() for variable in variables]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
