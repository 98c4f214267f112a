"""Trains a network of the zoo into a folder, or continues a run that stopped there."""

from pathlib import Path
from typing import Any

from tf_routing import data
from tf_routing.support.validation import not_negative_integer
from tf_routing.train.distribution.devices import Devices, open_devices
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.task_run import run_task
from tf_routing.train.training_task import define_task


def fit(
    architecture: str,
    dataset: data.Dataset,
    recipe: Recipe,
    output: Path,
    *,
    seed: int = 0,
    model_arguments: dict[str, Any] | None = None,
    count_routes: bool = False,
    devices: Devices | None = None,
    checkpoint_every: int = 0,
    deterministic: bool = False,
    restart: bool = False,
) -> dict[str, Any]:
    """Trains a network of the zoo into a folder, or continues what stopped there.

    The folder then holds `model.keras`, `checkpoints/`, `log.csv`, `tensorboard/`, `run.json` and, for networks that
    route, `routing.png`. A run that was stopped or killed goes on from its last checkpoint and ends with the weights
    and the log that it would have had. One that is finished goes on where the recipe has more epochs now.

    Args:
        architecture: Name of the zoo.
        dataset: What to train and test on; the recipe may give its images a size, the network does where neither the
            dataset nor the recipe has one. The model standardises them.
        recipe: How to train.
        output: Folder of the run.
        seed: Integer, seeds weights, order and augmentation.
        model_arguments: Arguments of `zoo.get` for the network's family, such as `width_multiplier`.
        count_routes: Boolean, for networks that skip: whether the log shows after each epoch how many different routes
            the test images take.
        devices: What to train on, see `open_devices`; what `"auto"` finds where not given.
        checkpoint_every: Integer, steps between checkpoints within an epoch; 0 for none but at its end.
        deterministic: Boolean, whether the same seed gives the same bits every time, with slower operations where there
            are any. Holds for the rest of the process.
        restart: Boolean, whether what a run wrote into the folder before is removed first.

    Returns:
        The content of `run.json`; without `final` on hosts that do not write.

    Raises:
        ValueError: If an argument is wrong, or the folder holds something else than this run.
        RuntimeError: If the loss is no longer finite, or a worker is gone.
        OSError: If a file cannot be written.
    """
    not_negative_integer("seed", seed)
    # Before anything else uses TensorFlow, which could not be divided then.
    devices = devices or open_devices()
    task = define_task(architecture, dataset, recipe, seed, model_arguments)
    return run_task(
        task,
        output,
        devices,
        count_routes=count_routes,
        checkpoint_every=checkpoint_every,
        deterministic=deterministic,
        restart=restart,
    )
