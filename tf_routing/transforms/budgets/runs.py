"""Runs images through a model at shifted thresholds, and keeps what each of them executed and scored."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from tf_routing import cost
from tf_routing.models import Ensemble
from tf_routing.models.budgets.thresholds import apply_offset, find_routers, read_thresholds
from tf_routing.models.decisions import with_reach
from tf_routing.models.training.label_accuracy import label_ranks
from tf_routing.transforms.budgets.score_models import PROBABILITIES, score_model


class Run(NamedTuple):
    """What images did at one offset.

    Args:
        offset: Float, what was added to the scores of all routers.
        macs: MACs that each image executed, an array `(images,)`.
        accuracy: Float, the share of images classified rightly; `None` without labels.
        outputs: What the score model of every part showed, arrays by name, in the order of the parts.
    """

    offset: float
    macs: np.ndarray
    accuracy: float | None
    outputs: list[dict[str, np.ndarray]]

    @property
    def mean(self) -> float:
        """The mean of MACs per image."""
        return float(self.macs.mean())


class Part(NamedTuple):
    """A model that decides by itself: the whole one, or a member of an ensemble.

    Args:
        prefix: What its names begin with in the whole model.
        model: The model.
        scores: Its `score_model`.
    """

    prefix: str
    model: Any
    scores: Any


class Runs:
    """A model and images to run through it.

    Args:
        model: A `RoutedModel` with routers.
        images: What it takes, arrays or a dataset that can be read many times.
        labels: Class indices `(images,)`, or `None`.
        batch_size: Integer, images per forward pass of arrays.
    """

    def __init__(self, model: Any, images: Any, labels: np.ndarray | None, batch_size: int) -> None:
        self.model, self.images, self.labels, self.batch_size = model, images, labels, batch_size
        self.fixed, self.gated = cost.gated_macs(model)
        self.parts: list[Part] = []
        choices: dict[str, int] = {}
        for prefix, part in _find_parts(model):
            scores, own = score_model(part)
            self.parts.append(Part(prefix, part, scores))
            choices |= {prefix + name: count for name, count in own.items()}
        self.routers = {name: router for name, router in find_routers(model).items() if name in choices}
        self._check_shows_all()
        self.trained = {name: read_thresholds(router, choices[name]) for name, router in self.routers.items()}

    def _check_shows_all(self) -> None:
        shown = {part.prefix + name for part in self.parts for name in part.model.decision_names}
        if hidden := sorted(self.gated.keys() - shown):
            raise ValueError(
                f"`model` must show all decisions, and {self.model.name!r} does not show those of models inside: "
                f"calibrate these. Received: a model that holds {', '.join(hidden)}"
            )

    def run(self, offset: float) -> Run:
        """Runs all images with every threshold shifted."""
        apply_offset(self.routers, self.trained, offset)
        outputs = [part.scores.predict(self.images, self.batch_size, verbose=0) for part in self.parts]
        # Who left runs nothing any more, whatever routers say of the maps.
        outputs = [
            with_reach(part.model, {name: np.asarray(values) for name, values in each.items()})
            for part, each in zip(self.parts, outputs, strict=True)
        ]
        probabilities = np.mean([each[PROBABILITIES] for each in outputs], axis=0)
        return Run(offset, self.count_macs(outputs), self.measure(probabilities), outputs)

    def restore(self) -> None:
        """Puts the trained thresholds back."""
        apply_offset(self.routers, self.trained, 0.0)

    def count_macs(self, outputs: list[dict[str, np.ndarray]]) -> np.ndarray:
        """Returns the MACs per image of decisions, by part and name."""
        total = np.full(len(next(iter(outputs[0].values()))), self.fixed, "float64")
        for number, shown in enumerate(outputs):
            for name, macs in self.gates_of(number):
                total += np.nan_to_num(shown[name]).round().astype("float64") @ macs
        return total

    def gates_of(self, number: int) -> Iterator[tuple[str, np.ndarray]]:
        """Yields name and MACs `(choices,)` of each decision of a part that costs something."""
        part = self.parts[number]
        for name in part.model.decision_names:
            if part.prefix + name in self.gated:
                yield name, self.gated[part.prefix + name]

    def measure(self, probabilities: np.ndarray) -> float | None:
        """Returns the accuracy of class probabilities, where labels are known."""
        if self.labels is None:
            return None
        return float(np.mean(np.asarray(label_ranks(probabilities, self.labels)) == 1))


def _find_parts(model: Any) -> Iterator[tuple[str, keras.Model]]:
    if not isinstance(model, Ensemble):
        yield "", model
        return
    for member in model.members:
        for prefix, part in _find_parts(member):
            yield f"{member.name}/{prefix}", part
