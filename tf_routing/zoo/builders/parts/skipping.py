"""Blocks that are skipped: a router before every block, which decides per image whether it runs.

Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
arXiv:2005.14439, section 3: Eq. 1 to 4 (blocks and routers) and 5 to 10 (the objective); section 4.4: rules and other
routers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import keras

from tf_routing import layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.layers.routers.kept_blocks import RULES
from tf_routing.layers.routers.skip_router import DECISIONS, KINDS
from tf_routing.objectives import DiverseRoutes
from tf_routing.support.validation import one_of
from tf_routing.zoo.arguments.idle_arguments import Condition
from tf_routing.zoo.builders.parts.blocks import wrap_model

_FEATURES = 10
_LEARNT = tuple(decision for decision in DECISIONS if decision != "given")


def routers_decide(values: Mapping[str, Any]) -> bool:
    """Whether routers decide, by these arguments, and not a rule."""
    return values["decision"] in _LEARNT


_WHERE_ROUTERS_DECIDE = "where routers decide, with decision='threshold' or 'bernoulli'"


@dataclass(frozen=True)
class RouterOptions:
    """How it is decided which blocks run.

    Args:
        router: `"linear"`, `"conv"` or `"recurrent"`, see `layers.SkipRouter`.
        hidden: Integer, hidden units of a `"linear"` router; `"channels"` for as many as its input has channels.
        hidden_activation: `"relu"` or `"linear"`, what follows the hidden units.
        relaxation: `"soft"` or `"straight_through"`, how routers decide in training, see `layers.SkipRouter`.
        beta: Float, sharpness of soft decisions, see `layers.SkipRouter`.
        decision: `"threshold"` as trained; `"bernoulli"` draws decisions at inference; `"first"`, `"random"` and
            `"distributed"` keep a number of blocks and read no router, see `layers.KeptBlocks`.
        keep: Integer, blocks that run, for decisions that keep a number of them.
        init_open_rate: Float, the probability of running that routers start with; `None` is 0.5.
        seed: Integer, seed of decisions that are drawn.

    Raises:
        ValueError: If `router` or `decision` is not known, or `keep` does not go with the decision.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("router", "beta", "init_open_rate", "hidden", "hidden_activation", "relaxation"),
            routers_decide,
            _WHERE_ROUTERS_DECIDE,
        ),
        Condition(("beta",), lambda values: values["relaxation"] == "soft", "with relaxation='soft'"),
        Condition(("hidden", "hidden_activation"), lambda values: values["router"] == "linear", "with router='linear'"),
    )

    router: str = "linear"
    hidden: int | str = 16
    beta: float = 10.0
    decision: str = "threshold"
    keep: int | None = None
    init_open_rate: float | None = None
    seed: int | None = None
    hidden_activation: str = "relu"
    relaxation: str = "soft"

    def __post_init__(self) -> None:
        one_of("router", self.router, KINDS)
        one_of("relaxation", self.relaxation, ("soft", "straight_through"))
        one_of("decision", self.decision, (*_LEARNT, *RULES))
        if self.by_rule != (self.keep is not None):
            needs = "needs a" if self.by_rule else "takes no"
            raise ValueError(f"`decision={self.decision!r}` {needs} number of blocks. Received: keep={self.keep!r}")
        if self.by_rule and self.router == "recurrent":
            raise ValueError(f"`router='recurrent'` would run for `decision={self.decision!r}`, which reads no router.")

    @property
    def by_rule(self) -> bool:
        """Whether a rule keeps a number of blocks, in the place of routers."""
        return self.decision in RULES


@dataclass(frozen=True)
class RouteObjective:
    """Weights and margins of the terms that compare routes, see `objectives.DiverseRoutes`.

    Args:
        consistency_weight: Float, weight of the consistency term (lambda of Eq. 9).
        diversity_weight: Float, weight of the diversity term (alpha).
        cost_weight: Float, weight of the cost term (mu).
        regularization_weight: Float, weight of the regularisation term (gamma).
        consistency_margin: Float, distance from the centre that costs nothing (Eq. 5).
        diversity_margin: Float, distance between centres from which on it costs nothing (Eq. 6).
        entries: `"execute"` or `"both"`, the entries of a decision that are compared.
        target_blocks: Float, the number of executed blocks from which the cost term is the distance, or `None`.
        regularization: `"within"` or `"center"`, the reading of Eq. 10.
        target: Float in (0, 1], the share of executed blocks to which the cost weight adapts, or `None`.

    Raises:
        ValueError: If a value is not possible.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        Condition(
            (
                *("consistency_weight", "diversity_weight", "cost_weight", "regularization_weight"),
                *("consistency_margin", "diversity_margin", "regularization", "target"),
                *("entries", "target_blocks"),
            ),
            routers_decide,
            _WHERE_ROUTERS_DECIDE,
        ),
    )

    consistency_weight: float = 0.2
    diversity_weight: float = 0.2
    cost_weight: float = 0.05
    regularization_weight: float = 0.5
    consistency_margin: float = 0.2
    diversity_margin: float = 0.5
    regularization: str = "within"
    target: float | None = None
    entries: str = "execute"
    target_blocks: float | None = None

    def __post_init__(self) -> None:
        # Refuses what is not possible before anything is built.
        self.create({})

    def create(self, macs: Mapping[str, Sequence[int]]) -> DiverseRoutes:
        """Returns the objective for blocks of these multiply-accumulates, by the names of the decisions."""
        return DiverseRoutes(macs, **asdict(self))


class Skipper:
    """Adds blocks one behind the other, and before every block a router that decides whether it runs.

    Args:
        image: The network's input.
        stage_blocks: List of integers, blocks per stage.
        options: How it is decided which blocks run.
    """

    def __init__(self, image: Any, stage_blocks: Sequence[int], options: RouterOptions) -> None:
        self.options, self.blocks = options, 0
        shared = {"init_open_rate": options.init_open_rate}
        self.arguments: dict[str, Any] = {"kind": options.router, "hidden": options.hidden, "beta": options.beta}
        self.arguments |= {"hidden_activation": options.hidden_activation, "relaxation": options.relaxation}
        self.arguments |= {"decision": "given" if options.by_rule else options.decision}
        self.memory: Any = None
        if options.router == "recurrent":
            self.memory = layers.RouterMemory(_FEATURES, **shared, name="router_memory")
        else:
            self.arguments |= shared
        self.state: Any = None
        self.kept: list[Any] = []
        if options.keep is not None:
            rule = layers.KeptBlocks(
                options.decision, stage_blocks, options.keep, seed=options.seed, name="kept_blocks"
            )
            self.kept = rule(image)

    def add(
        self, x: Any, name: str, branch: Callable[[Any], Any], shortcut: Any, bypass: Callable[[Any], Any] | None = None
    ) -> Any:
        """Adds a router and the block that it runs or bypasses.

        Args:
            x: The block's input.
            name: Name of the block.
            branch: Function of an input tensor that returns the branch's output.
            shortcut: `"identity"`, or a function of an input tensor that returns the shortcut's output.
            bypass: Function of an input tensor that returns what takes the block's place; the shortcut's output by
                default.
        """
        self.blocks += 1
        decision = self._add_router(x)
        if bypass is not None:
            whole = wrap_model(x, lambda y: _add_up(branch(y), y if shortcut == "identity" else shortcut(y)), "branch")
            way = wrap_model(x, bypass, "bypass")
            return layers.SkipBlock(whole, way, "linear", adds_shortcut=False, name=name)(x, decision)
        model = wrap_model(x, shortcut, "shortcut") if callable(shortcut) else shortcut
        return layers.SkipBlock(wrap_model(x, branch, "branch"), model, "relu", name=name)(x, decision)

    def _add_router(self, x: Any) -> Any:
        name = f"router_{self.blocks}"
        router = layers.SkipRouter(**self.arguments, seed=distinct_seed(self.options.seed, self.blocks), name=name)
        if self.kept:
            return router(x, self.kept[self.blocks - 1])
        return router(x if self.memory is None else self._score(x, name))

    def _score(self, x: Any, name: str) -> Any:
        pooled = keras.layers.GlobalAveragePooling2D(name=f"{name}_means")(x)
        features = keras.layers.Dense(_FEATURES, kernel_initializer="he_normal", name=f"{name}_features")(pooled)
        scores, self.state = self.memory(features) if self.state is None else self.memory(features, self.state)
        return scores


def _add_up(branch: Any, shortcut: Any) -> Any:
    return keras.layers.ReLU(name="relu")(keras.layers.Add(name="add")([branch, shortcut]))
