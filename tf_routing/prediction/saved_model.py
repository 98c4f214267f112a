"""Classifiers from SavedModels that `tf_routing.export` wrote. TensorFlow only."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_routing.core.pixel_values import UNIT
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.models.inputs.input_range import check_range
from tf_routing.prediction.checks import check_image_shape, name_classes, refuse_other_inputs
from tf_routing.prediction.classifier import Answers, Classifier

_NEEDED = ("serving_default", "routes")


def load_saved_model(path: str) -> Classifier:
    """Loads an export; see `loading.load_classifier`.

    The signature that classifies and the one that tells routes both run, so that it takes twice the time of a run.
    """
    loaded = tf.saved_model.load(path)
    missing = [name for name in _NEEDED if name not in loaded.signatures]
    if missing:
        raise ValueError(
            f"{path} must be a SavedModel that tf_routing.export wrote. Its signatures lack {' and '.join(missing)}."
        )
    classify, tell_routes = (loaded.signatures[name] for name in _NEEDED)
    # `structured_input_signature` holds positional arguments, then a dict of the named ones.
    inputs = classify.structured_input_signature[1]
    refuse_other_inputs(path, [name for name in inputs if name != "images"])
    height, width, channels = check_image_shape(path, inputs["images"].shape.as_list()[1:])
    facts = _read_facts(path)
    taken = check_range("input_range", facts.get("input_range", UNIT))
    seen = {name: facts[name] for name in ("crop", "resize") if name in facts}
    names = name_classes(_read_names(path), classify.structured_outputs["probabilities"].shape[-1])

    def run(images: np.ndarray) -> Answers:
        """Probabilities, switches and executed MACs of a batch."""
        given = tf.constant(images)
        probabilities = classify(images=given)["probabilities"].numpy()
        routes = {name: each.numpy() for name, each in tell_routes(images=given).items()}
        macs = routes.pop("macs")
        return Answers(probabilities, _order(facts, routes), macs)

    return Classifier(run, Framing(height, width, **seen), channels, names, taken)


def _order(facts: dict[str, Any], routes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the switches in order of depth, as the card lists decisions: a signature's outputs come in any order."""
    names = [name.replace("/", "_") for name in facts.get("decisions", sorted(routes))]
    return {name: routes[name] for name in names if routes[name].ndim == 2}


def _read_facts(path: str) -> dict[str, Any]:
    card = Path(path, "assets", "card.json")
    return json.loads(card.read_text("utf-8")) if card.is_file() else {}


def _read_names(path: str) -> list[str] | None:
    labels = Path(path, "assets", "labels.txt")
    return labels.read_text("utf-8").split("\n")[:-1] if labels.is_file() else None
