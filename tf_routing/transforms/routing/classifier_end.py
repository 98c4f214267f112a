"""How a classifier ends: the layers that make probabilities of logits."""

from dataclasses import dataclass
from typing import Any

import keras

from tf_routing.core.graph import operation_class
from tf_routing.support.validation import one_of
from tf_routing.transforms.routing.flat_calls import FlatCall, FlatGraph

_SOFTMAX = operation_class(keras.ops.softmax)
_WHAT_TO_DO = "Give it a softmax, or say `classifier_activation='softmax'` where it answers with logits."


@dataclass(frozen=True)
class ClassifierEnd:
    """How a network ends.

    Args:
        last: The call that makes its answer.
        logits: The call that makes the logits; `last`, where that makes logits and their softmax in one.
        is_split: Whether that call makes logits and their softmax in one, as a dense layer with an activation.
        is_logits: Whether its answer are logits, to which a softmax is added.
    """

    last: FlatCall
    logits: FlatCall
    is_split: bool
    is_logits: bool


def find_end(graph: FlatGraph, classifier_activation: str | None, argument: str = "model") -> ClassifierEnd:
    """Returns how a classifier ends.

    Args:
        graph: The network.
        classifier_activation: `"softmax"` where the network answers with logits, `None` where with probabilities.
        argument: Name of the argument that the network came as.

    Raises:
        ValueError: If the network does not answer with one row of probabilities per image, nor with logits as said.
    """
    one_of("classifier_activation", classifier_activation, (None, "softmax"))
    last = graph.calls[graph.makers()[graph.output]]
    shape = graph.output.shape
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            f"`{argument}` must answer with class probabilities (batch, classes): add a head to one that was built "
            f"with include_top=False. Received: answers of shape {shape}"
        )
    kind = _activation_at_the_end(last)
    if kind not in ("linear", "softmax"):
        raise ValueError(
            f"`{argument}` must answer with probabilities of a softmax, or with logits. Received: {last.name!r}, which "
            f"ends in the activation {kind!r}"
        )
    is_logits = kind == "linear"
    if is_logits and classifier_activation is None:
        raise ValueError(
            f"`{argument}` must answer with probabilities. {_WHAT_TO_DO} Received: {last.name!r}, which ends in no "
            "softmax"
        )
    if not is_logits and classifier_activation is not None:
        raise ValueError(
            f"`classifier_activation` must be None for a network that ends in a softmax, as {last.name!r} does. "
            f"Received: classifier_activation={classifier_activation!r}"
        )
    is_split = not is_logits and _activates_its_own(last.operation)
    if is_split and sum(call.operation is last.operation for call in graph.calls) > 1:
        raise ValueError(
            f"`{argument}` must call its last layer once: logits are made by a copy of it without the softmax. "
            f"Received: {last.name!r}, which is called elsewhere too"
        )
    logits = last if is_split or is_logits else graph.calls[graph.makers()[last.inputs[0]]]
    return ClassifierEnd(last, logits, is_split, is_logits)


def _activation_at_the_end(last: FlatCall) -> str:
    operation = last.operation
    if isinstance(operation, (keras.layers.Softmax, _SOFTMAX)):
        return "softmax" if getattr(operation, "axis", -1) in (-1, 1) else "softmax of another axis"
    activation = getattr(operation, "activation", None) or keras.activations.linear
    name = getattr(activation, "__name__", type(activation).__name__)
    # By identity: who writes one may call it the same.
    is_known = activation in (keras.activations.softmax, keras.ops.softmax, keras.ops.nn.softmax)
    if name == "softmax" and not is_known:
        return "softmax of its own"
    if name == "softmax" and not (_is_activation(operation) or _activates_its_own(operation)):
        return f"softmax of a {type(operation).__name__}, which cannot be taken off"
    return name


def _is_activation(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Activation) and type(operation).call is keras.layers.Activation.call


def _activates_its_own(operation: Any) -> bool:
    """Whether a layer makes logits and then applies an activation, without which it can be built."""
    return isinstance(operation, keras.layers.Dense) and type(operation).call is keras.layers.Dense.call
