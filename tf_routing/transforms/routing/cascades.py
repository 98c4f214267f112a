"""`cascade`: one network of several, the smallest first, which an image goes through until one of them is sure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras

from tf_routing import exit_tree
from tf_routing.core.model_arguments import require_graph_model
from tf_routing.layers import ConfidenceJunction, ExitMixture
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.input_range import UNIT
from tf_routing.transforms.routing.classifier_end import ClassifierEnd, find_end
from tf_routing.transforms.routing.default_objective import learn_from_itself
from tf_routing.transforms.routing.flat_calls import FlatGraph, list_calls
from tf_routing.transforms.routing.network_range import find_range
from tf_routing.transforms.routing.skip_graph import SkipGraph, image_dtype


def cascade(
    models: Sequence[keras.Model],
    confidence: float = 0.9,
    *,
    input_range: tuple[float, float] | None = None,
    unit_input: bool = False,
    classifier_activation: str | None = None,
    freeze_bodies: bool = True,
    name: str = "cascade",
) -> RoutedModel:
    """Returns one network that asks several classifiers in turn, the cheapest first, until one of them is sure.

    An image that the first network classifies with confidence has left; the next one runs on the others only, and so
    on. Nothing needs to be trained: `calibrate_budgets` finds the thresholds of confidence, with which `set_budget`
    lets a wanted share of the multiply-accumulates run, `calibrate` those for a share of images, and
    `tf_routing.export` and `export_onnx` write one file that really skips.

    Equation:
        y = f_l(x) with l the least l for which max f_l(x) >= a_l, or the last one

        with x an image, f_l the probabilities of network l, and a_l the probability that is sure enough there, see
        `layers.ConfidenceJunction`.

    Args:
        models: List of two or more functional or `Sequential` models that take one batch of images of the same shape,
            and answer with probabilities of the same classes. They stay as they are.
        confidence: Float in (0, 1), the probability of the most probable class with which an image leaves, until
            budgets are calibrated.
        input_range: Pair of numbers, what black and white are to all of them, as in `add_routing`; not needed for
            networks of the zoo.
        unit_input: Boolean, whether the cascade takes floats in [0, 1] instead, as networks of the zoo do. Then they
            may have ranges of their own.
        classifier_activation: `"softmax"` for networks that answer with logits.
        freeze_bodies: Boolean, whether `fit` trains nothing but the thresholds. If not, each layer trains as in
            `models`.
        name: Name of the network.

    Returns:
        A `RoutedModel` with junctions `junction_1`, `junction_2` and so on, behind each network but the last. It shares
        no weights with `models`. Its layers have their names, with that of their network before it where two have the
        same.

    Raises:
        ValueError: If there are fewer than two networks, or one shows no graph, decides already, has several inputs or
            outputs, does not answer with probabilities, or differs from the first in images or classes.

    Example:

    >>> from tf_routing import zoo
    >>> small, large = (zoo.get("basecnn", width_multiplier=width) for width in (0.125, 0.25))
    >>> model = cascade([small, large], confidence=0.5)
    >>> images = keras.random.uniform((8, 32, 32, 3), seed=1)
    >>> sure = keras.ops.max(small(images), axis=1) >= 0.5
    >>> [bool(each) for each in sure] == [bool(each) for each in model.routes(images)["junction_1"][:, 0]]
    True

    Reference:
        Wang et al. (2017), *IDK Cascades: Fast Deep Learning by Learning not to Overthink*, arXiv:1706.00885.
    """
    members = _read_members(models, input_range, classifier_activation)
    ranges = {member.range for member in members}
    if len(ranges) > 1 and not unit_input:
        raise ValueError(
            "`models` must take images in one range, or `unit_input=True` lets the cascade take floats in [0, 1] and "
            f"bring them to the range of each. Received: ranges {sorted(ranges)}"
        )
    dtypes = {member.graph.image.dtype for member in members}
    if len(dtypes) > 1 and not unit_input:
        raise ValueError(
            "`models` must take images of one type, or `unit_input=True` lets the cascade take floats in [0, 1]. "
            f"Received: {', '.join(sorted(dtypes))}"
        )
    drawing = _Drawing(confidence)
    for number, member in enumerate(members, 1):
        drawing.add(member, member.range if unit_input else UNIT, number == len(members))
    copy = RoutedModel(drawing.image, drawing.join(), name=name)
    copy.input_range = UNIT if unit_input else members[0].range
    drawing.copy_weights(freeze_bodies)
    learn_from_itself(copy)
    return copy


class _Member(NamedTuple):
    """One of the networks.

    Args:
        graph: Its calls, of names that no network before it has.
        end: How it ends.
        range: What black and white are to it.
    """

    graph: FlatGraph
    end: ClassifierEnd
    range: tuple[float, float]


def _read_members(models: Any, input_range: Any, classifier_activation: str | None) -> list[_Member]:
    if not isinstance(models, Sequence) or len(models) < 2:
        raise ValueError(f"`models` must be a list of two networks or more. Received: models={models!r}")
    members: list[_Member] = []
    added = ("junction", "exit", "to_input_range")
    taken = {"image", "probabilities", *(f"{kind}_{n}" for kind in added for n in range(1, len(models) + 1))}
    for number, model in enumerate(models, 1):
        _check_member(model, models[0], number)
        graph = _rename(list_calls(model), f"network_{number}", taken)
        zoo = isinstance(model, RoutedModel) and input_range is None
        members.append(
            _Member(
                graph,
                find_end(graph, classifier_activation, f"models[{number - 1}]"),
                tuple(model.input_range) if zoo else find_range(graph, input_range),
            )
        )
    return members


def _check_member(model: Any, first: Any, number: int) -> None:
    """Raises a `ValueError` if a network cannot be in a cascade with the first."""
    require_graph_model(model, f"models[{number - 1}]")
    where = f"`models[{number - 1}]`"
    if isinstance(model, RoutedModel) and model.decision_names:
        raise ValueError(f"{where} must not decide itself. Received: {model.name!r}, which has {model.decision_names}")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"{where} must have one input and one output. Received: {model.name!r}")
    shapes = [(each.inputs[0].shape, each.outputs[0].shape) for each in (model, first)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{where} must take images and give classes of the shapes of the first network. Received: {model.name!r}, "
            f"from {shapes[0][0]} to {shapes[0][1]}, where the first is from {shapes[1][0]} to {shapes[1][1]}"
        )


def _rename(graph: FlatGraph, prefix: str, taken: set[str]) -> FlatGraph:
    """Returns a graph whose layers have names that are not taken, and takes these."""
    names = {call.name: f"{prefix}_{call.name}" if call.name in taken else call.name for call in graph.calls}
    taken.update(names.values())
    return replace(graph, calls=[replace(call, name=names[call.name]) for call in graph.calls])


class _Drawing:
    """The cascade as it is drawn, network by network."""

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence
        self.image: Any = None
        self._graphs: list[SkipGraph] = []
        self._logits: list[Any] = []
        self._reaches: list[Any] = []
        self._reach: Any = None
        self._columns: list[tuple[str, ...]] = []

    def add(self, member: _Member, rescaled: tuple[float, float], is_last: bool) -> None:
        """Draws a network, and behind it the junction at which images leave, unless it is the last."""
        drawn = SkipGraph(member.graph, member.end, [], None, rescaled)
        number = len(self._graphs) + 1
        if self.image is None:
            dtype = image_dtype(member.graph.image.dtype, rescaled)
            self.image = keras.Input(member.graph.image.shape[1:], dtype=dtype, name="image")
        columns = drawn.begin(self.image, f"to_input_range_{number}")
        for call in member.graph.calls:
            if call not in (member.end.logits, member.end.last) and call.inputs:
                columns += drawn.draw_call(call)
        logits = drawn.draw_logits()
        self._columns.append((*(layer.name for layer in columns), member.end.logits.name))
        leaves = self._reach
        if not is_last:
            junction = ConfidenceJunction(self.confidence, name=f"junction_{number}")
            leaves, self._reach = junction(logits, *([] if self._reach is None else [self._reach]))[2:]
        self._logits.append(keras.layers.Identity(name=f"exit_{number}", dtype=drawn.end_policy)(logits))
        self._reaches.append(leaves)
        self._graphs.append(drawn)

    def join(self) -> Any:
        """Returns the answer of the cascade, the probabilities of the network at which each image left."""
        numbers = range(1, len(self._graphs) + 1)
        junctions, leaves = ([f"{kind}_{number}" for number in numbers] for kind in ("junction", "exit"))
        tree = exit_tree.chain(self._columns, junctions[:-1], leaves)
        policies = {drawn.end_policy for drawn in self._graphs}
        # Of several the one that rounds no network's answer more than it does itself.
        dtypes = (keras.DTypePolicy(each).compute_dtype for each in policies)
        policy = next(iter(policies)) if len(policies) == 1 else keras.backend.result_type(*dtypes)
        return ExitMixture(tree, "softmax", dtype=policy, name="probabilities")(self._logits, self._reaches)[0]

    def copy_weights(self, freeze: bool) -> None:
        """Gives all layers the weights of the networks."""
        for drawn in self._graphs:
            drawn.copy_weights()
            if freeze:
                drawn.freeze()
