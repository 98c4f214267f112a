"""What the builders of networks that skip blocks share: a router before each block, and the block's parts."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_routing import layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.layers.routers.kept_blocks import RULES
from tf_routing.layers.routers.skip_router import DECISIONS, KINDS
from tf_routing.support.validation import one_of
from tf_routing.zoo.builders.splitting import model_of

_FEATURES = 10


class Skipper:
    """Adds blocks one behind the other, each with a router that decides whether it runs.

    Args:
        image: The network's input.
        stage_blocks: List of integers, blocks per stage.
        router: Kind of the routers, see `layers.SkipRouter`.
        hidden: Integer, hidden units of linear routers.
        beta: Float, sharpness of soft decisions.
        decision: How blocks are chosen; rules of `layers.KeptBlocks`, or `"threshold"` or `"bernoulli"`.
        keep: Integer, blocks that run, for those rules.
        init_open_rate: Float, the probability of running at the start, or `None`.
        seed: Integer or `None`, seed of decisions that are drawn.

    Raises:
        ValueError: If an argument is not possible, or `keep` does not go with the decision.
    """

    def __init__(
        self,
        image: Any,
        stage_blocks: Sequence[int],
        router: str,
        hidden: int,
        beta: float,
        decision: str,
        keep: int | None,
        init_open_rate: float | None,
        seed: int | None,
    ) -> None:
        one_of("router", router, KINDS)
        one_of("decision", decision, (*(each for each in DECISIONS if each != "given"), *RULES))
        by_rule = decision in RULES
        if by_rule != (keep is not None):
            needs = "needs a" if by_rule else "takes no"
            raise ValueError(f"`decision={decision!r}` {needs} number of blocks. Received: keep={keep!r}")
        if by_rule and router == "recurrent":
            raise ValueError(f"`router='recurrent'` would run for `decision={decision!r}`, which reads no router.")
        self.router, self.seed, self.blocks = router, seed, 0
        shared = {"init_open_rate": init_open_rate}
        self.arguments: dict[str, Any] = {"kind": router, "hidden": hidden, "beta": beta}
        self.arguments |= {"decision": "given" if by_rule else decision, **({} if router == "recurrent" else shared)}
        self.memory: Any = None
        if router == "recurrent":
            self.memory = layers.RouterMemory(_FEATURES, **shared, name="router_memory")
        self.state: Any = None
        self.kept: list[Any] = []
        if keep is not None:
            self.kept = layers.KeptBlocks(decision, stage_blocks, keep, seed=seed, name="kept_blocks")(image)

    def add(self, x: Any, name: str, branch: Callable[[Any], Any], shortcut: Any) -> Any:
        """Adds a router and the block that it runs or bypasses.

        Args:
            x: The block's input.
            name: Name of the block.
            branch: Function of an input tensor that returns the branch's output.
            shortcut: `"identity"`, or a function of an input tensor that returns the shortcut's output.
        """
        self.blocks += 1
        decision = self._decision(x)
        model = model_of(x, shortcut, "shortcut") if callable(shortcut) else shortcut
        return layers.SkipBlock(model_of(x, branch, "branch"), model, "relu", name=name)(x, decision)

    def _decision(self, x: Any) -> Any:
        name = f"router_{self.blocks}"
        router = layers.SkipRouter(**self.arguments, seed=distinct_seed(self.seed, self.blocks), name=name)
        if self.kept:
            return router(x, self.kept[self.blocks - 1])
        return router(x if self.memory is None else self._scores(x, name))

    def _scores(self, x: Any, name: str) -> Any:
        pooled = keras.layers.GlobalAveragePooling2D(name=f"{name}_means")(x)
        features = keras.layers.Dense(_FEATURES, kernel_initializer="he_normal", name=f"{name}_features")(pooled)
        scores, self.state = self.memory(features) if self.state is None else self.memory(features, self.state)
        return scores
