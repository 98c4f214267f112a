"""The root object of an export, which TensorFlow can call, fine-tune and save again. TensorFlow only."""

from typing import Any

import tensorflow as tf

from tf_routing.core.private_apis import new_trackable
from tf_routing.exporting.model_inputs import ModelInputs


def callable_root(model: Any, inputs: ModelInputs) -> Any:
    """Returns a model as the object that TensorFlow Hub expects of a SavedModel.

    `root(images, training=False)` returns class probabilities of floats or bytes; it is traced for training, for
    inference, and with `training` left out. `root.serve(images)` and `root.train(images)` are the same for floats, with
    `training` as their names say. `variables`, `trainable_variables` and `regularization_losses` are the model's.

    Args:
        model: The `RoutedModel`.
        inputs: What it takes.

    Returns:
        A trackable object, ready for `tf.saved_model.save`.
    """
    root = new_trackable()

    @tf.function(autograph=False)
    def answer(images: Any, training: bool) -> Any:
        """Class probabilities of float images."""
        return inputs.never_empty(lambda x: model(x, training=training), images)

    @tf.function(autograph=False)
    def call(images: Any, training: bool = False) -> Any:
        """Class probabilities of images, floats or bytes: the network itself is traced for floats alone."""
        return answer(inputs.as_floats(images), training)

    traces = []
    for spec in (inputs.call_spec(), inputs.call_spec(tf.uint8)):
        traces += [call.get_concrete_function(spec)]
        traces += [call.get_concrete_function(spec, training=training) for training in (True, False)]
    root.__call__ = call
    # Keras's name for it, which its own layer for SavedModels calls; and what that layer may call in training.
    root.serve, root.train = (_build_endpoint(call, inputs.call_spec(), training) for training in (False, True))
    root.variables = _unwrap(model.weights)
    root.trainable_variables = _unwrap(model.trainable_weights)
    root.regularization_losses = [_build_penalty(weight) for weight in model.trainable_weights if weight.regularizer]
    root.state = _find_other_variables(traces, root.variables)
    return root


def _build_endpoint(call: Any, spec: Any, training: bool) -> Any:
    return tf.function(lambda images: call(images, training=training), input_signature=[spec], autograph=False)


def _unwrap(weights: list[Any]) -> list[Any]:
    # What Keras keeps a weight in: its own variables come back as something that only Keras can train.
    return [weight.value for weight in weights]


def _build_penalty(weight: Any) -> Any:
    return tf.function(lambda: weight.regularizer(weight), input_signature=[], autograph=False)


def _find_other_variables(traces: list[Any], known: list[Any]) -> list[Any]:
    """Variables that the functions read and that are no weights: the states of what draws noise in training."""
    read = {id(each): each for trace in traces for each in trace.graph.variables}
    names = {id(each) for each in known}
    return [each for key, each in read.items() if key not in names]
