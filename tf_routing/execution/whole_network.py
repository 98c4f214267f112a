"""Runs a routed network as a whole, whatever its routers say: every gate open, and every image up to the last exit."""

from collections.abc import Collection
from functools import partial
from typing import Any

import keras
from keras import ops

from tf_routing.core.graph import run_calls
from tf_routing.core.private_apis import standardize_inputs
from tf_routing.core.protocols import Decides, FixesDecision, HasThresholds
from tf_routing.execution.layer_calls import call_layer
from tf_routing.execution.run import Run
from tf_routing.execution.settings import Settings


def run_whole(graph: keras.Model, inputs: Any, closed: Collection[str] = (), skips: bool = False) -> Any:
    """Returns what a network answers at inference with every gate open, and with no image leaving early.

    Args:
        graph: A functional model with routers.
        inputs: What it takes, images as it computes with them.
        closed: Names of routers whose gates are closed instead.
        skips: Boolean, whether what is closed is skipped, which only TensorFlow and JAX can, and no gradient passes.

    Returns:
        The outputs, in the structure of `graph.output`.

    Example:

    >>> from tf_routing import zoo
    >>> from tf_routing.execution.whole_network import run_whole
    >>> run_whole(zoo.get("drn_resnet32", width_multiplier=0.125), keras.ops.zeros((2, 32, 32, 3))).shape
    TensorShape([2, 10])
    """
    call = partial(call_layer, Run(Settings("auto" if skips else "masked")), False)

    def run(layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a layer, and puts an open or closed gate in the place of what a router decides."""
        outputs = call(layer, *args, **kwargs)
        decides = isinstance(layer, Decides) and isinstance(layer, HasThresholds)
        return _decide(layer, outputs, layer.name not in closed) if decides else outputs

    return run_calls(graph, standardize_inputs(graph, inputs), run)


def _decide(router: Any, outputs: Any, is_open: bool) -> Any:
    """Returns the outputs of a router with a decision that is the same for all images."""
    flat = keras.tree.flatten(outputs)
    decision = router.decision(flat)
    if decision is None:
        return outputs
    if isinstance(router, FixesDecision):
        return keras.tree.pack_sequence_as(outputs, router.decided(flat, is_open))
    given = ops.ones_like(decision) if is_open else ops.zeros_like(decision)
    return keras.tree.pack_sequence_as(outputs, [given if each is decision else each for each in flat])
