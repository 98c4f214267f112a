"""Networks that leave early: trees of columns with a junction behind each.

McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing import cost, exit_tree, layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.objectives import Actor, Critic
from tf_routing.support.validation import one_of, positive_number
from tf_routing.zoo.builders import blocks, exit_trees

STRATEGIES = ("actor", "pragmatic_critic", "optimistic_critic")
COSTS = (0.0, 1e-9, 2e-9, 4e-9, 8e-9, 1.6e-8, 3.2e-8, 6.4e-8)
"""What a multiply-accumulate costs in the paper's experiments."""
_COST_UNIT = 1e7


def build(
    *,
    tree: dict[str, Any],
    classes: int,
    input_shape: tuple[int, int, int],
    include_top: bool,
    pooling: str | None,
    classifier_activation: str | None,
    name: str,
    strategy: str = "actor",
    computation_cost: float | Sequence[float] | None = None,
    dynamic_cost: bool = False,
    talr: bool = True,
    decisiveness_cost: float = 0.01,
    regularize_policy: bool = False,
    critic_error: str = "cross_entropy",
    regression_weight: float = 0.001,
    kernel_decay: float = 1e-4,
    temperature: float | None = None,
    temperature_half_life: float | None = 10_000,
    hidden: int = 16,
    pyramid: str = "strided",
    gamma: float = 2.2,
    standardize: Any = None,
    width_multiplier: float = 1.0,
    seed: int | None = None,
) -> RoutedModel:
    """Builds a network from a tree of columns.

    Args:
        tree: The columns and what may follow each, see `zoo.exit_trees`.
        classes: Integer, number of classes.
        input_shape: Tuple `(height, width, channels)`.
        include_top: Boolean; `False` returns the coarsest maps of all columns that can be left, side by side.
        pooling: With `include_top=False`, `None`, `"avg"` or `"max"`.
        classifier_activation: Activation of the prediction.
        name: Name of the model.
        strategy: How junctions learn: `"actor"`, `"pragmatic_critic"` or `"optimistic_critic"`.
        computation_cost: Float, what a multiply-accumulate costs; 8e-9 by default, nothing without junctions. With
            `dynamic_cost` a list of values, the paper's eight by default.
        dynamic_cost: Boolean, whether the network is told the cost per sample, as a second input `cost`.
        talr: Boolean; it and the next three belong to the objectives, see `objectives.Actor` and `objectives.Critic`.
        decisiveness_cost: Float, for actors.
        regularize_policy: Boolean, for actors.
        critic_error: `"cross_entropy"` or `"classification"`, for critics.
        regression_weight: Float, for critics.
        kernel_decay: Float, weight of the squared kernels.
        temperature: Float, the first temperature; 1 for actors and 0.1 for critics by default.
        temperature_half_life: Float, steps in which it halves; `None` keeps it.
        hidden: Integer, hidden units of the junctions.
        pyramid: `"strided"` or `"average"`, see `layers.ImagePyramid`.
        gamma: Float: the network sees images to this power, that is light, where 2.2 undoes the encoding of
            photographs.
        standardize: `None`, or means and deviations per channel.
        width_multiplier: Float that scales convolution widths.
        seed: Integer, seed of the kernels.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If an argument is not possible.
    """
    exit_trees.check(tree)
    one_of("strategy", strategy, STRATEGIES)
    learning: dict[str, Any] = {
        "computation_cost": _costs(computation_cost, dynamic_cost, exit_trees.has_junctions(tree)),
        "kernel_decay": kernel_decay,
        "talr": talr,
        "temperature_half_life": temperature_half_life,
    }
    if strategy == "actor":
        own: dict[str, Any] = {"decisiveness_cost": decisiveness_cost, "regularize_policy": regularize_policy}
        objective: Any = Actor
    else:
        own = {"optimistic": strategy == "optimistic_critic", "error": critic_error}
        own |= {"regression_weight": regression_weight}
        objective = Critic
    learning |= own if temperature is None else {**own, "temperature": temperature}
    # Refuses what is not possible before anything is built.
    objective(exit_tree.Exit("none"), {}, **learning)
    grower = _Grower(tree, classes, width_multiplier, hidden, include_top, seed)
    image, maps = _pyramid(input_shape, standardize, gamma, pyramid, len(tree["channels"]))
    inputs: Any = image
    if dynamic_cost:
        inputs = {"image": image, "cost": keras.Input((1,), name="cost")}
        # In a unit that half precision can hold.
        grower.cost = keras.layers.Rescaling(_COST_UNIT, dtype="float32", name="cost_of_ten_million")(inputs["cost"])
    shape = grower.grow(tree, maps)
    if not include_top:
        return RoutedModel(inputs, blocks.features(grower.left, pooling), name=name)
    model = RoutedModel(inputs, grower.answer(shape, classifier_activation), name=name)
    macs = {row.layer: row.macs for row in cost.layer_costs(model)}
    own_layers = [layer for part in exit_tree.parts(shape) for layer in part.layers]
    model.set_default_objective(objective(shape, {layer: macs[layer] for layer in own_layers}, **learning))
    return model


def _costs(computation_cost: Any, dynamic: bool, has_junctions: bool) -> Any:
    if dynamic and not has_junctions:
        raise ValueError("`dynamic_cost` must be False where nothing is decided. Received: dynamic_cost=True")
    several = isinstance(computation_cost, (list, tuple))
    if computation_cost is not None and several != dynamic:
        accepted = "a list of numbers with dynamic_cost=True" if dynamic else "a number without dynamic_cost=True"
        raise ValueError(f"`computation_cost` must be {accepted}. Received: computation_cost={computation_cost!r}")
    if computation_cost is not None:
        return computation_cost
    return COSTS if dynamic else COSTS[4] if has_junctions else 0.0


def _pyramid(
    input_shape: tuple[int, int, int], standardize: Any, gamma: float, method: str, scales: int
) -> tuple[Any, list[Any]]:
    """Returns the image input, and what the first column reads."""
    positive_number("gamma", gamma)
    divisor = 2 ** (scales - 1)
    if any(side % divisor for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must have sides that {divisor} divides, {divisor} at least, for {scales} scales. "
            f"Received: input_shape={input_shape!r}"
        )
    image, x = blocks.image_input(input_shape, None)
    if gamma != 1:
        x = layers.Gamma(gamma, name="gamma")(x)
    if standardize is not None:
        x = blocks.standardized(x, standardize)
    return image, layers.ImagePyramid(scales, method, name="pyramid")(x)


class _Grower:
    """Grows the layers of a tree, and collects its exits.

    Layers are named by their level, and where a level has several columns by their number in it.
    """

    def __init__(
        self, tree: dict[str, Any], classes: int, width: float, hidden: int, include_top: bool, seed: int | None
    ) -> None:
        self.classes, self.width, self.hidden, self.include_top, self.seed = classes, width, hidden, include_top, seed
        self.sizes = exit_trees.level_sizes(tree)
        self.counts = [0] * len(self.sizes)
        self.cost: Any = None
        self.grown = 0
        self.logits: list[Any] = []
        self.reaches: list[Any] = []
        self.left: list[Any] = []

    def grow(self, column: dict[str, Any], maps: list[Any], reach: Any = None, level: int = 1) -> exit_tree.Stage:
        """Adds a column and all that follows it; returns its shape."""
        own_name = self._name(level)
        sinks = column["sinks"]
        read = [1 if sink == exit_trees.CLASSIFY else len(sink["channels"]) for sink in sinks]
        channels = [blocks.scaled(each, self.width) for each in column["channels"]]
        layer = layers.PyramidColumn(channels, max(read), seed=self._seed(), name=f"column{own_name}")
        maps = layer(maps[-len(channels) :])
        maps = maps if isinstance(maps, list) else [maps]
        reaches = self._reaches(maps[-1], reach, len(sinks), f"junction{own_name}")
        grown = tuple(
            self._leave(maps[-1], own, f"exit{own_name}")
            if sink == exit_trees.CLASSIFY
            else self.grow(sink, maps, own, level + 1)
            for sink, own in zip(sinks, reaches, strict=True)
        )
        if len(sinks) == 1 and isinstance(grown[0], exit_tree.Stage):
            return grown[0]._replace(columns=(layer.name, *grown[0].columns))
        return exit_tree.Stage((layer.name,), f"junction{own_name}" if len(sinks) > 1 else None, grown)

    def _name(self, level: int) -> str:
        self.counts[level - 1] += 1
        return f"_{level}_{self.counts[level - 1]}" if self.sizes[level - 1] > 1 else f"_{level}"

    def _seed(self) -> int | None:
        self.grown += 1
        return distinct_seed(self.seed, self.grown)

    def _reaches(self, maps: Any, reach: Any, sinks: int, name: str) -> list[Any]:
        if sinks == 1 or not self.include_top:
            return [reach] * sinks
        router = layers.Junction(sinks, self.hidden, seed=self._seed(), name=name)
        # By position, as `calibrate` hands them on.
        beside = [reach, self.cost] if self.cost is not None else [] if reach is None else [reach]
        return list(router(maps, *beside))[2:]

    def _leave(self, maps: Any, reach: Any, name: str) -> exit_tree.Exit:
        self.left.append(maps)
        if self.include_top:
            flat = keras.layers.Flatten(name=f"{name}_features")(maps)
            initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal", seed=self._seed())
            self.logits.append(keras.layers.Dense(self.classes, kernel_initializer=initializer, name=name)(flat))
            self.reaches.append(reach)
        return exit_tree.Exit(name)

    def answer(self, shape: exit_tree.Stage, activation: str | None) -> Any:
        """Brings the exits together."""
        # Predictions are at least float32 under mixed precision, and float64 where everything is.
        dtype = keras.config.dtype_policy().variable_dtype
        if len(self.logits) > 1:
            mixture = layers.ExitMixture(shape, activation, dtype=dtype, name="probabilities")
            return mixture(self.logits, self.reaches)[0]
        logits = keras.layers.Identity(name="logits", dtype=dtype)(self.logits[0])
        return keras.layers.Activation(activation, name="probabilities", dtype=dtype)(logits)
