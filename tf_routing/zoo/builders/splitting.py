"""What the builders of dynamic multi-path networks share: a controller before each block, and the block's parts.

Su et al., *Dynamic Multi-path Neural Network*.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from tf_routing import cost, layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.objectives import DynamicMultipath, load_categories
from tf_routing.support.validation import one_of


class Splitter:
    """Adds split blocks one behind the other; each controller reads the state of the one before.

    Args:
        sub_blocks: Integer N, sub-blocks per block.
        use_previous: Boolean, whether controllers read that state.
        init_open_rate: Float, the probability of "on" at the start, or `None`.
        force_one: Boolean, whether one sub-block always runs; `None` for blocks without a shortcut only.
        seed: Integer or `None`, seed of the controllers' noise.
    """

    def __init__(
        self,
        sub_blocks: int,
        use_previous: bool,
        init_open_rate: float | None,
        force_one: bool | None,
        seed: int | None,
    ) -> None:
        self.sub_blocks, self.use_previous, self.init_open_rate = sub_blocks, use_previous, init_open_rate
        self.force_one, self.seed = force_one, seed
        self.state: Any = None
        self.controllers: list[str] = []

    def add(self, x: Any, name: str, part: Callable[..., Any], shortcut: Any, activation: str | None = None) -> Any:
        """Adds a controller and the block that it switches.

        Args:
            x: The block's input.
            name: Name of the block.
            part: Function of an input tensor and a number counted from 0 that returns a sub-block's output.
            shortcut: `"identity"`, `None`, or a function of an input tensor that returns the shortcut's output.
            activation: Activation of the sum.
        """
        switches = self._switches(x, shortcut)
        parts = [model_of(x, partial(part, number=n), f"sub_block_{n + 1}") for n in range(self.sub_blocks)]
        model = model_of(x, shortcut, "shortcut") if callable(shortcut) else shortcut
        return layers.SplitBlock(parts, model, activation, name=name)(x, switches)

    def _switches(self, x: Any, shortcut: Any) -> Any:
        number = len(self.controllers) + 1
        controller = layers.Controller(
            self.sub_blocks,
            use_previous=self.use_previous,
            init_open_rate=self.init_open_rate,
            force_one=shortcut is None if self.force_one is None else self.force_one,
            seed=distinct_seed(self.seed, number),
            name=f"controller_{number}",
        )
        self.controllers.append(controller.name)
        switches, self.state = controller(x) if self.state is None else controller(x, self.state)
        return switches


def model_of(x: Any, function: Callable[[Any], Any], name: str) -> keras.Model:
    """Returns a model of its own that computes `function` for inputs like `x`."""
    part_input = keras.Input(x.shape[1:], dtype=x.dtype, name="maps")
    return keras.Model(part_input, function(part_input), name=name)


def routing_objective(
    model: RoutedModel,
    target_rate: float,
    category_weights: dict[str, float],
    use_category: bool | None,
    categories: Any,
    flops_total: str,
) -> RoutedModel:
    """Gives a model the paper's objective as its default, and returns the model.

    Args:
        model: The model.
        target_rate: Float in (0, 1], the share of sub-blocks that training aims at.
        category_weights: Weight of each controller's category loss.
        use_category: Boolean; `None` for yes where categories are known.
        categories: See `objectives.load_categories`.
        flops_total: `"subblocks"` or `"network"`.
    """
    one_of("flops_total", flops_total, ("subblocks", "network"))
    if use_category and categories is None:
        raise ValueError("`categories` must be given where `use_category=True`. Received: categories=None")
    wanted = categories if use_category or use_category is None else None
    table = None if wanted is None else load_categories(wanted, model.output_shape[-1])
    fixed, gated = cost.gated_macs(model)
    parts = int(sum(macs.sum() for macs in gated.values()))
    total = parts if flops_total == "subblocks" else parts + fixed
    macs = {name: each.tolist() for name, each in gated.items()}
    model.set_default_objective(DynamicMultipath(target_rate, macs, total, table, category_weights))
    return model
