"""One of several trainings in a row: trains it as if it were alone in its process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras

from tf_routing.data import Dataset
from tf_routing.train import fit
from tf_routing.train.recipes.recipe import Recipe


class PlannedRun(NamedTuple):
    """What one of several trainings is.

    Args:
        title: What is printed when it begins; nothing where empty.
        architecture: Name of the zoo.
        model_arguments: Arguments of `zoo.get` for the network's family.
        dataset: What to train and test on.
        recipe: How to train.
        output: Folder of the run.
        seed: Integer.
    """

    title: str
    architecture: str
    model_arguments: Mapping[str, Any]
    dataset: Dataset
    recipe: Recipe
    output: Path
    seed: int = 0

    def train(self, **options: Any) -> dict[str, Any]:
        """Trains the network; a run that stopped goes on, and one that is finished stays as it is.

        Args:
            **options: Of `fit`, those that are the same for all trainings.

        Returns:
            The content of `run.json`.

        Raises:
            ValueError: If an argument is wrong, or the folder holds something else than this run.
            RuntimeError: If the loss is no longer finite, or a worker is gone.
            OSError: If a file cannot be written.
        """
        if self.title:
            print(self.title, flush=True)
        # What the network before left would slow this one down, and Keras would number on the names of its layers. The
        # policy is forgotten with it, and was set for all trainings.
        policy = keras.config.dtype_policy()
        keras.backend.clear_session()
        keras.config.set_dtype_policy(policy)
        return fit.fit(
            self.architecture,
            self.dataset,
            self.recipe,
            self.output,
            seed=self.seed,
            model_arguments=dict(self.model_arguments),
            **options,
        )
