"""The private parts of Keras and TensorFlow that this package uses, and why no public interface does instead.

Nothing else in the package reads or sets an underscore attribute of theirs. `tests/core/test_private_apis.py` fails
when one of them changes.

Hooks that a class overrides cannot be here. There is one, `RoutedModel._run_through_graph`: Keras runs a graph, and
draws it anew for `keras.models.clone_model`, through it, and through nothing public.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras

# Keras is not imported here: importing it registers the layers, and what they import imports this module.


class Maker(NamedTuple):
    """Where a symbolic tensor comes from.

    Args:
        call: The call, as `core.graph.layer_calls` lists them: `call.operation` is the layer.
        output: Integer, the tensor's place among the outputs of the call.
    """

    call: Any
    output: int


def maker_of(tensor: Any) -> Maker:
    """Returns the call of a layer that made a symbolic tensor.

    Public attributes lead from a layer to its tensors, none from a tensor to its layer.

    Args:
        tensor: A `keras.KerasTensor` of a functional graph.
    """
    operation, node, output = tensor._keras_history
    return Maker(operation._inbound_nodes[node], output)


def calls_by_depth(model: "keras.Model") -> list[Any]:
    """Returns the nodes of a functional model in order of depth, one per call of a layer.

    `model.operations` lists a layer once, however often the graph calls it.
    """
    nodes = model._nodes_by_depth
    return [node for depth in sorted(nodes, reverse=True) for node in nodes[depth]]


def all_layers(layer: "keras.layers.Layer") -> list[Any]:
    """Returns a layer or model, and all layers inside it, also those that layers hold as attributes.

    `model.layers` has the outermost alone, and layers that are no models list theirs nowhere.
    """
    return list(layer._flatten_layers())


def known_variable(optimizer: "keras.optimizers.Optimizer", variable: Any) -> Any:
    """Returns the Keras variable for what `update_step` of an optimizer is given.

    On TensorFlow that is the value inside the variable, which bears another name on each replica; which variables an
    optimizer trains, and which of them this is, is not public.
    """
    return optimizer._trainable_variables[optimizer._get_variable_index(variable)]


def build_from_batch(model: "keras.Model", batch: Any) -> None:
    """Creates the metrics and the optimizer's variables of a compiled model for batches like this one.

    Keras does so within the first step of `fit`, where replicas of a strategy cannot create variables.

    Args:
        model: The compiled model.
        batch: Structure of anything that has the shapes and types of a batch.
    """
    model._symbolic_build(data_batch=batch)


def loss_mean(model: "keras.Model") -> Any:
    """Returns the metric that `fit` logs as `loss`, which a `train_step` of another class has to update.

    It is created by `compile`, and public only as one of `metrics`, whose names may be the same.
    """
    return model._loss_tracker


def update_metrics_statelessly(
    model: "keras.Model", metrics_variables: Any, loss: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any
) -> tuple[dict[str, Any], Any]:
    """Returns the logs of a step and the new values of the metrics' variables; JAX only.

    Keras's own stateless steps end with it, and another one has to.
    """
    return model._update_metrics_variables(metrics_variables, loss, x, y, y_pred, sample_weight)


def stored_value(variable: "keras.Variable") -> Any:
    """Returns what a variable holds, `None` where a loop of Keras on JAX has taken it away.

    `variable.value` is the initial value then.
    """
    return variable._value


def in_stateless_scope() -> bool:
    """Whether variables are read from a `keras.StatelessScope`, which is public and cannot be asked."""
    from keras.src.backend import in_stateless_scope as is_inside

    return is_inside()


def tell_better(metric: "keras.metrics.Metric", direction: str) -> None:
    """Says whether a metric is better `"up"` or `"down"`, for callbacks that monitor it and are not told.

    Keras's own metrics say so in this attribute, and only there.
    """
    metric._direction = direction


def flush_events(callback: "keras.callbacks.TensorBoard") -> None:
    """Writes to disk what a TensorBoard callback has logged so far; the public way is to end the training."""
    for writer in callback._writers.values():
        writer.flush()


def new_trackable() -> Any:
    """Returns an object whose attributes TensorFlow saves, and that is callable when it is loaded again.

    `tf.Module` is public, but has `variables` and `trainable_variables` as properties, and TensorFlow Hub wants lists.
    """
    import tensorflow as tf

    return tf.__internal__.tracking.AutoTrackable()


def is_within_xla() -> bool:
    """Whether what TensorFlow is tracing is compiled by XLA as a whole, as in `tf.function(..., jit_compile=True)`.

    TensorFlow asks this to choose operations that XLA knows, and tells nobody else.
    """
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def standardize_inputs(model: "keras.Model", inputs: Any) -> list[Any]:
    """Returns what a functional model's graph reads for what the model is called with: flat, of its types and ranks.

    Public only within `call`, which hands layers no argument but `training`.
    """
    return model._standardize_inputs(inputs)
