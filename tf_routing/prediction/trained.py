"""Classifiers from a run's folder or a `.keras` file."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tf_routing.cost import executed_macs
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input, other_inputs
from tf_routing.prediction.checks import check_image_shape, name_classes, refuse_other_inputs
from tf_routing.prediction.classifier import Answers, Classifier
from tf_routing.runs.trained_network import load_trained, run_framing


def load_trained_classifier(path: str, budget: float | None) -> Classifier:
    """Loads a trained network; see `loading.load_classifier`."""
    model, record = load_trained(path)
    refuse_other_inputs(path, other_inputs(model))
    if budget is not None:
        model.set_budget(budget)
    height, width, channels = check_image_shape(path, image_input(model).shape[1:])
    # Without a record nobody knows which part was seen: all that fits is the least surprising.
    seen = run_framing(record) if record else {}
    names = name_classes(record.get("class_names"), model.output_shape[-1])
    return Classifier(_build_run(model), Framing(height, width, **seen), channels, names, model.input_range)


def _build_run(model: RoutedModel) -> Callable[[np.ndarray], Answers]:
    decide = _compile(model)

    def run(images: np.ndarray) -> Answers:
        """Probabilities, switches and executed MACs of a batch."""
        outputs = {name: keras.ops.convert_to_numpy(each) for name, each in decide(images).items()}
        routes = {name: outputs[name] for name in model.decision_names}
        # Gates that weigh paths against each other leave nothing out, and have one axis more.
        switches = {name: each for name, each in routes.items() if each.ndim == 2}
        return Answers(outputs["probabilities"], switches, executed_macs(model, switches, len(images)))

    return run


def _compile(model: RoutedModel) -> Callable[[Any], dict[str, Any]]:
    if keras.backend.backend() != "tensorflow":
        return model.decide
    import tensorflow as tf

    specification = tf.TensorSpec((None, *image_input(model).shape[1:]), tf.float32)
    return tf.function(model.decide, input_signature=[specification], autograph=False)
