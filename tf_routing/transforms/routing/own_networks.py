"""`add_routing`: makes a network that decides per image what to run of one that was made, and trained, elsewhere."""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing.core.model_arguments import require_graph_model
from tf_routing.core.pixel_values import UNIT
from tf_routing.layers import SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of
from tf_routing.transforms.routing.block_choice import choose_blocks
from tf_routing.transforms.routing.classifier_end import find_end
from tf_routing.transforms.routing.default_objective import learn_from_itself
from tf_routing.transforms.routing.exit_graph import CONFIDENCE, LEARNED, ExitGraph
from tf_routing.transforms.routing.exit_places import cut_stages
from tf_routing.transforms.routing.flat_calls import list_calls
from tf_routing.transforms.routing.network_range import find_range
from tf_routing.transforms.routing.residual_blocks import find_residual_blocks
from tf_routing.transforms.routing.skip_graph import SkipGraph

HOW = ("skip", "exit", "both")
_OPEN_RATE = 0.7


def add_routing(
    model: keras.Model,
    how: str = "skip",
    where: Sequence[str] | None = None,
    *,
    router: SkipRouter | None = None,
    exits: Sequence[str] | None = None,
    junction: str = LEARNED,
    input_range: tuple[float, float] | None = None,
    unit_input: bool = False,
    classifier_activation: str | None = None,
    freeze_body: bool = True,
    name: str | None = None,
) -> RoutedModel:
    """Returns a copy of an image classifier that decides per image which of its residual blocks to run.

    It has the weights of `model` and, until it is trained, gives the same predictions, since every gate is open: the
    same to the last bit, and by rounding where TensorFlow compiles a graph that skips, whose conditions keep it from
    fusing some operations. `fit` then trains the gates alone: all other layers are frozen, batch normalisation and its
    statistics among them, until `for layer in copy.layers: layer.trainable = True`. Then `calibrate_budgets` and
    `set_budget` choose how much of the network runs, and `tf_routing.export` writes what skips.

    A block is a sum, an `Add` layer or `x + y`, of the block's own input and of what is computed from that alone. Its
    layers move into a `layers.SkipBlock`, which has the name of the layer that ended the block, `block_3` where that
    had no name of its own, and before it stands a router, `router_1`, `router_2` and so on. Layers keep their names:
    those of a block are found in `copy.get_layer(block).sub_blocks[0]`. Models inside the network are opened. The last
    dense layer gives logits in the copy, which `probabilities` activates.

    Sums that end no such block stay as they are: where a shortcut computes something too, as where blocks change the
    shape, where a layer is shared, or something inside of a block is read outside. With `where` each is an error that
    says which of these.

    Args:
        model: A functional or `Sequential` model that takes one batch of images `(batch, height, width, channels)` and
            answers with class probabilities. It stays as it is.
        how: `"skip"`, blocks are skipped; `"exit"`, images leave between blocks; or `"both"`.
        where: Names of the blocks, or of the layers that add in them; all that hold no others where not given.
        router: A `layers.SkipRouter` that decides by a threshold: every block gets a copy of it, whose scores start as
            constants. `SkipRouter(init_open_rate=0.7)` where not given.
        exits: With `"exit"` and `"both"`, names of layers or blocks behind which images can leave; the last block of
            each size of maps but the smallest where not given. There a junction stands, `junction_1`, and a head
            on channel means, `exit_1`, which has everything to learn. All images go on until it is trained.
        junction: `"learned"`, a `layers.Junction` that learns from maps who leaves; or `"confidence"`, a
            `layers.ConfidenceJunction`: images leave of which their head is sure, and only heads have to learn. All go
            on until heads have learnt or budgets are calibrated.
        input_range: Pair of numbers, what black and white are to the network: `(0, 255)`, `(0, 1)` or `(-1, 1)`, say.
            Where not given it is found in a first layer that rescales or standardises bytes; with a warning, bytes are
            assumed if there is none. Floats reach the network as they are, bytes are brought to the range.
        unit_input: Boolean, whether the copy takes floats in [0, 1] instead, as networks of the zoo do and datasets
            here hold: a first layer brings them to the range.
        classifier_activation: `"softmax"` for a network that answers with logits: the copy gives probabilities.
        freeze_body: Boolean, whether all layers but the routers are frozen. If not, each trains as in `model`.
        name: Name of the copy; `routed_` and the name of `model` where not given.

    Returns:
        The copy, which shares no weights with `model`.

    Raises:
        ValueError: If `model` does not show its graph, is routed already, has several inputs or outputs, does not
            answer with probabilities, or has no block to skip; or if an argument is not possible.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    >>> y = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    >>> x = keras.layers.ReLU(name="block")(keras.layers.Add(name="sum")([x, y]))
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> net = add_routing(keras.Model(image, keras.layers.Dense(2, "softmax")(x)), input_range=(0, 1))
    >>> {block: switches.tolist() for block, switches in net.routes(keras.ops.zeros((1, 8, 8, 3))).items()}
    {'router_1': [[1.0]]}
    """
    one_of("how", how, HOW)
    graph = list_calls(_require_classifier(model))
    end = find_end(graph, classifier_activation)
    found = find_residual_blocks(graph)
    one_of("junction", junction, (LEARNED, CONFIDENCE))
    _check_arguments(how, where, router, exits, None if junction == LEARNED else junction)
    blocks = [] if how == "exit" else choose_blocks(found, where, model.name)
    stages = [] if how == "skip" else cut_stages(graph, end, found.blocks, exits, skips=how == "both")
    taken = find_range(graph, input_range)
    drawn = SkipGraph(graph, end, blocks, _check_router(router), taken if unit_input else UNIT)
    leaving = ExitGraph(drawn, junction)
    if stages:
        answer = leaving.draw(stages)
    else:
        drawn.draw()
        answer = drawn.draw_probabilities(drawn.draw_logits())
    copy = RoutedModel(drawn.image, answer, name=name or f"routed_{model.name}")
    copy.input_range = UNIT if unit_input else taken
    drawn.copy_weights()
    leaving.open()
    if freeze_body:
        drawn.freeze()
    learn_from_itself(copy)
    return copy


def _check_arguments(how: str, where: Any, router: Any, exits: Any, junction: Any) -> None:
    """Raises a `ValueError` if an argument means nothing here."""
    idle = (
        {"where": where, "router": router}
        if how == "exit"
        else {"exits": exits, "junction": junction}
        if how == "skip"
        else {}
    )
    for name, value in idle.items():
        if value is not None:
            raise ValueError(f"`{name}` means nothing with how={how!r}. Received: {name}={value!r}")


def _require_classifier(model: Any) -> keras.Model:
    """Returns the model, or raises a `ValueError` if it is not of one input, of images, and one output."""
    require_graph_model(model)
    if isinstance(model, RoutedModel):
        raise ValueError(f"`model` must not be routed yet. Received: {model.name!r}, which decides already")
    for kind, tensors in (("input", model.inputs), ("output", model.outputs)):
        if len(tensors) != 1:
            names = ", ".join(tensor.name for tensor in tensors)
            raise ValueError(f"`model` must have one {kind}. Received: {model.name!r}, with {names}")
    if len(model.inputs[0].shape) != 4:
        raise ValueError(
            f"`model` must take images (batch, height, width, channels). Received: {model.name!r}, which takes "
            f"{model.inputs[0].shape}"
        )
    return model


def _check_router(router: SkipRouter | None) -> SkipRouter:
    if router is None:
        return SkipRouter(init_open_rate=_OPEN_RATE)
    if not isinstance(router, SkipRouter) or router.rule != "threshold" or router.kind == "recurrent":
        raise ValueError(
            "`router` must be a layers.SkipRouter of kind 'linear' or 'conv' that decides by a threshold: others would "
            f"change predictions, or need a memory. Received: router={router!r}"
        )
    if router.init_open_rate is None or router.init_open_rate <= 0.5:
        raise ValueError(
            "`router` must start open, with an `init_open_rate` over 0.5, for predictions to be the same. "
            f"Received: init_open_rate={router.init_open_rate!r}"
        )
    return router
