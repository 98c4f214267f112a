"""Adds routing to a network that was made elsewhere, and trains it to answer as the whole network does."""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from tf_routing.data import Dataset, ImageSet, calibration_split
from tf_routing.data.batching.batches import evaluation_batches, first_images
from tf_routing.data.images.picture_files import name_broken_files
from tf_routing.evaluation.routing_statistics import routing_statistics
from tf_routing.models import RoutedModel
from tf_routing.objectives import Distillation
from tf_routing.runs.run_record import write_record
from tf_routing.runs.trained_file import write_trained
from tf_routing.runs.trained_network import framing_record
from tf_routing.support.validation import not_negative, not_negative_integer
from tf_routing.train.distribution.devices import Devices, open_devices
from tf_routing.train.final_results import EVALUATION_BATCH
from tf_routing.train.phases import Phase
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.task_run import run_task
from tf_routing.train.training_task import describe_images
from tf_routing.transforms.budgets.calibration import calibrate_budgets
from tf_routing.transforms.routing.own_networks import add_routing

# More tell little more about the mean of what images cost.
_MOST = 2_000


@dataclass(frozen=True)
class Adaptation:
    """What is added to a network.

    Args:
        how: `"skip"`, `"exit"` or `"both"`; see `tf_routing.add_routing`.
        input_range: What black and white are to the network; see there.
        classifier_activation: `"softmax"` for a network that answers with logits.
        cost_weight: Float, weight of what is executed; see `objectives.Distillation`.
        calibration_share: Float, share of the training images that thresholds for budgets are found on.
    """

    how: str = "skip"
    input_range: tuple[float, float] | None = None
    classifier_activation: str | None = None
    cost_weight: float = 0.05
    calibration_share: float = 0.2

    def __post_init__(self) -> None:
        not_negative("cost_weight", self.cost_weight)


@dataclass(frozen=True)
class AdaptationTask:
    """What determines the result of an adaptation.

    Args:
        file: The `.keras` file of the network.
        network: The network.
        adaptation: What is added to it.
        dataset: What to train and test on, as the network sees it.
        calibration: Images that thresholds for budgets are found on, as the network sees them.
        recipe: How to train.
        seed: Integer, seeds routers, order and augmentation.
        steps: Integer, steps per epoch.
    """

    file: Path
    network: keras.Model
    adaptation: Adaptation
    dataset: Dataset
    calibration: ImageSet
    recipe: Recipe
    seed: int
    steps: int

    def build_network(self) -> RoutedModel:
        """Adds routing to a copy of the network."""
        model = add_routing(
            self.network,
            self.adaptation.how,
            input_range=self.adaptation.input_range,
            unit_input=True,
            classifier_activation=self.adaptation.classifier_activation,
        )
        config = model.default_objective().get_config()
        model.set_default_objective(Distillation(**{**config, "cost_weight": self.adaptation.cost_weight}))
        return model

    def compile_network(self, phase: Phase, model: RoutedModel) -> None:
        """Compiles the network; there is one phase."""
        # Scores start at zero, and differ much in how far they have to go: Adam, whatever the recipe's momentum.
        model.compile(keras.optimizers.Adam(self.recipe.learning_rates(self.steps)))

    def describe(self) -> dict[str, Any]:
        """Returns `arguments` of the run's record: a folder's run continues where they are the same."""
        described = {
            "network": self.file.name,
            # Other weights under the same name are another network.
            "network_checksum": zlib.crc32(self.file.read_bytes()),
            **asdict(self.adaptation),
            "dataset": self.dataset.name,
            **describe_images(self.dataset),
            "seed": self.seed,
            "model_arguments": {},
            "recipe": self.recipe.describe(),
        }
        # Tuples compare as what a record holds.
        return json.loads(json.dumps(described))

    def save_results(self, model: RoutedModel, output: Path, record: dict[str, Any], parameters: int) -> None:
        """Finds thresholds for budgets, saves the network with them, and writes what it does into the record."""
        tested = evaluation_batches(self.dataset.test, EVALUATION_BATCH)
        with name_broken_files(self.dataset.test, self.calibration):
            results = model.evaluate(tested, verbose=0, return_dict=True)
            images, _ = first_images(self.calibration, min(_MOST, self.calibration.image_count))
            budgets = calibrate_budgets(model, images)
            routes = model.routes(tested)
        write_trained(model, output)
        record["final"] = {
            **{name: float(value) for name, value in results.items()},
            # Of what was added, which alone trained.
            "parameters": parameters,
            "macs": model.static_cost,
            **routing_statistics(model, routes),
        }
        record["budgets"] = [each._asdict() for each in budgets]
        record["framing"] = framing_record(self.dataset.test)
        write_record(output, record)


def adapt(
    network: Path,
    dataset: Dataset,
    recipe: Recipe,
    output: Path,
    adaptation: Adaptation,
    *,
    seed: int = 0,
    devices: Devices | None = None,
    checkpoint_every: int = 0,
    restart: bool = False,
) -> dict[str, Any]:
    """Adds routing to a network, trains what was added, and finds thresholds for budgets: a run, in a folder.

    The folder then holds what one of `fit` does: `model.keras`, which takes floats in [0, 1] and knows its budgets,
    `run.json`, `log.csv`, `checkpoints/` and `tensorboard/`. A run that was stopped or killed goes on from its last
    checkpoint.

    Args:
        network: A `.keras` file.
        dataset: Pictures such as the network will see; no label is read.
        recipe: How long to train, in what batches and how fast; its learning rate is that of Adam.
        output: Folder of the run.
        adaptation: What is added.
        seed: Integer, seeds routers, order and augmentation.
        devices: What to train on, see `open_devices`; what `"auto"` finds where not given.
        checkpoint_every: Integer, steps between checkpoints within an epoch; 0 for none but at its end.
        restart: Boolean, whether what a run wrote into the folder before is removed first.

    Returns:
        The content of `run.json`.

    Raises:
        ValueError: If the network cannot be routed, takes images that are not square, no images are left, or the folder
            holds something else than this run.
    """
    not_negative_integer("seed", seed)
    devices = devices or open_devices()
    task = _define_task(network, dataset, recipe, adaptation, seed)
    return run_task(task, output, devices, checkpoint_every=checkpoint_every, restart=restart)


def _define_task(file: Path, dataset: Dataset, recipe: Recipe, adaptation: Adaptation, seed: int) -> AdaptationTask:
    """Returns what a run trains, images as the network sees them."""
    for name, value, only in (("frozen_epochs", recipe.frozen_epochs, 0), ("copies", recipe.copies, 1)):
        if value != only:
            raise ValueError(f"`recipe` must have {name}={only} for what is added to a network. Received: {value}")
    network = keras.saving.load_model(file)
    shape = network.input_shape[1:]
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] is None:
        raise ValueError(f"{file} must take square images of one size. It takes {shape}.")
    dataset, calibration = calibration_split(dataset, adaptation.calibration_share)
    if None in dataset.image_shape:
        recipe = recipe.changed(image_size=shape[0])
    elif dataset.image_shape != shape:
        raise ValueError(f"{file} takes images {shape}. Those of {dataset.name} have {dataset.image_shape}.")
    prepared = recipe.prepared(dataset)
    unseen = recipe.prepared(dataset._replace(test=calibration)).test
    return AdaptationTask(file, network, adaptation, prepared, unseen, recipe, seed, recipe.steps_in(prepared.train))
