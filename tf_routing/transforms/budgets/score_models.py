"""Models that show the scores of all routers beside the decisions and class probabilities of a routed model."""

from typing import Any

import keras
from keras import ops

from tf_routing import exit_tree
from tf_routing.core.graph import layer_calls
from tf_routing.core.protocols import HasThresholds
from tf_routing.models.decisions import decision_tensors, observed_tensors
from tf_routing.models.reader import Reader

PROBABILITIES, EXIT_LOGITS = "probabilities", "exit_logits"


class _Margins(keras.layers.Layer):
    """The scores of a router, as an output of the graph that it is part of."""

    def __init__(self, router: Any, **kwargs: Any) -> None:
        # No autocast: a router reads what it reads in its own place.
        super().__init__(autocast=False, dtype=router.dtype_policy, **kwargs)
        self.router = router

    def call(self, *inputs: Any) -> Any:
        return ops.cast(self.router.margins(*inputs), "float32")


def score_name(router: str) -> str:
    """Returns the name of the output that shows the scores of a router."""
    return f"{router}/scores"


def score_model(model: Any) -> tuple[Reader, dict[str, int]]:
    """Returns a model of the same inputs that shows what is needed to tell decisions at other thresholds.

    Its outputs are a dict of the class probabilities, the decisions by name, and by `score_name` the scores of every
    router: those of all sinks at a junction of a network that leaves early, else margins. Of such a network it also
    shows the logits of all exits.

    Args:
        model: A `RoutedModel`.

    Returns:
        Pair of the model, and how many thresholds each router has, by name.
    """
    tensors = {PROBABILITIES: model.outputs[0], **decision_tensors(model)}
    choices = {}
    for call in [call for call in layer_calls(model) if isinstance(call.operation, HasThresholds)]:
        router = call.operation
        margins = _Margins(router, name=f"{router.name}_margins")(*call.arguments.args)
        tensors[score_name(router.name)] = margins
        choices[router.name] = margins.shape[-1]
    return Reader(model.input, tensors | _exit_tensors(model), executor=model.executor), choices


def _exit_tensors(model: Any) -> dict[str, Any]:
    mixture = exit_tree.find_mixture(model)
    if mixture is None:
        return {}
    shown = observed_tensors(model)
    tensors = {score_name(name): shown[f"{name}_scores"] for name in exit_tree.junctions(mixture.tree)}
    return {**tensors, EXIT_LOGITS: shown[f"{mixture.name}_{EXIT_LOGITS}"]}
