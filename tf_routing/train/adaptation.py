"""Adds routing to a network that was made elsewhere, and trains it to answer as the whole network does."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from tf_routing.data import Dataset, calibration_split
from tf_routing.data.batching.batches import first_images, training_batches
from tf_routing.models import RoutedModel
from tf_routing.objectives import Distillation
from tf_routing.support.files import whole_file, write_json
from tf_routing.support.validation import not_negative
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.transforms.budgets.calibration import calibrate_budgets
from tf_routing.transforms.routing.own_networks import add_routing

RECORD = "adaptation.json"
"""Name of the file that tells how a network was adapted."""

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


def adapt(
    network: Path, dataset: Dataset, recipe: Recipe, output: Path, adaptation: Adaptation, seed: int = 0
) -> dict[str, Any]:
    """Adds routing to a network, trains what was added, finds thresholds for budgets, and writes all into a folder.

    The folder then holds `model.keras`, which takes floats in [0, 1] and knows its budgets, and `adaptation.json`.

    Args:
        network: A `.keras` file.
        dataset: Pictures such as the network will see; no label is read.
        recipe: How long to train, in what batches and how fast; its learning rate is that of Adam.
        output: Folder to write into.
        adaptation: What is added.
        seed: Integer, seeds routers, order and augmentation.

    Returns:
        The content of `adaptation.json`.

    Raises:
        ValueError: If the network cannot be routed, takes images that are not square, or no images are left.
    """
    keras.utils.set_random_seed(seed)
    model = _add(keras.saving.load_model(network), adaptation)
    height, width = model.input_shape[1:3]
    if height != width or height is None:
        raise ValueError(f"{network} must take square images of one size. It takes {model.input_shape[1:]}.")
    dataset, calibration = calibration_split(dataset, adaptation.calibration_share)
    if None in dataset.image_shape:
        recipe = recipe.changed(image_size=height)
    elif dataset.image_shape != model.input_shape[1:]:
        raise ValueError(
            f"{network} takes images {model.input_shape[1:]}. Those of {dataset.name} have {dataset.image_shape}."
        )
    prepared = recipe.prepared(dataset)
    steps = recipe.steps_in(prepared.train)
    model.compile(keras.optimizers.Adam(recipe.learning_rates(steps)))
    batches = training_batches(prepared.train, recipe.batch_plan(prepared, seed, recipe.epochs))
    history = model.fit(batches, epochs=recipe.epochs, steps_per_epoch=steps).history
    unseen = recipe.prepared(dataset._replace(test=calibration)).test
    images, _ = first_images(unseen, min(_MOST, unseen.image_count))
    budgets = calibrate_budgets(model, images)
    record = {
        "network": network.name,
        "dataset": dataset.name,
        "seed": seed,
        **asdict(adaptation),
        "recipe": recipe.describe(),
        "static_macs": model.static_cost,
        "history": {name: [round(float(each), 6) for each in values] for name, values in history.items()},
        "budgets": [each._asdict() for each in budgets],
    }
    output.mkdir(parents=True, exist_ok=True)
    with whole_file(output / "model.keras") as temporary:
        model.save(temporary)
    write_json(output / RECORD, record)
    return json.loads(json.dumps(record))


def _add(network: keras.Model, adaptation: Adaptation) -> RoutedModel:
    model = add_routing(
        network,
        adaptation.how,
        input_range=adaptation.input_range,
        unit_input=True,
        classifier_activation=adaptation.classifier_activation,
    )
    config = model.default_objective().get_config()
    model.set_default_objective(Distillation(**{**config, "cost_weight": adaptation.cost_weight}))
    return model
