"""Blocks of dynamic multi-path networks: a controller before every block, which switches its sub-blocks on and off.

Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, section 3: Eq. 4 (blocks), 5 to 8 (controllers)
and 9 to 16 (the objective).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

from tf_routing import cost, layers
from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.objectives import DynamicMultipath, load_categories
from tf_routing.support.validation import one_of
from tf_routing.zoo.arguments.idle_arguments import Condition, needs_top
from tf_routing.zoo.builders.parts.blocks import wrap_model


@dataclass(frozen=True)
class ControllerOptions:
    """How controllers decide.

    Args:
        force_one: Boolean, whether one sub-block of every block always runs; `None` for blocks without a shortcut only.
        use_previous: Boolean, whether a controller reads the state of the one before.
        init_open_rate: Float in (0, 1), the probability of "on" at the start; 0.5 where `None`.
        seed: Integer, seed of the controllers' noise in training.
    """

    force_one: bool | None = None
    use_previous: bool = True
    init_open_rate: float | None = None
    seed: int | None = None

    def controller(self, number: int, has_shortcut: bool) -> dict[str, Any]:
        """Returns the arguments of a controller.

        Args:
            number: Integer, its number in order of depth, from 1.
            has_shortcut: Boolean, whether its block has something to add where all sub-blocks are off.
        """
        return {
            "use_previous": self.use_previous,
            "init_open_rate": self.init_open_rate,
            "force_one": not has_shortcut if self.force_one is None else self.force_one,
            "seed": distinct_seed(self.seed, number),
        }


class MakesControllers(Protocol):
    """Options that say how controllers decide."""

    def controller(self, number: int, has_shortcut: bool) -> dict[str, Any]:
        """Returns the arguments of a controller; see `ControllerOptions.controller`."""


@dataclass(frozen=True)
class RateObjective:
    """What training aims at, see `objectives.DynamicMultipath`; it counts where the network classifies.

    Args:
        target_rate: Float in (0, 1], the share of sub-blocks that training aims at.
        use_category: Boolean, whether training supervises the controllers' states by category; by default where
            categories are known.
        categories: Category of every class: a list of integers, a JSON file of one, `"cifar100"` or
            `"imagenet2012"`; see `objectives.load_categories`.
        flops_total: `"subblocks"` or `"network"`, what the cost that training aims at is a share of.

    Raises:
        ValueError: If categories are asked for and not given, or `flops_total` is not known.
    """

    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        needs_top("target_rate", "use_category", "categories", "flops_total"),
    )

    target_rate: float = 0.7
    use_category: bool | None = None
    categories: Any = None
    flops_total: str = "subblocks"

    def __post_init__(self) -> None:
        one_of("flops_total", self.flops_total, ("subblocks", "network"))
        if self.use_category and self.categories is None:
            raise ValueError("`categories` must be given where `use_category=True`. Received: categories=None")

    def set_default(self, model: RoutedModel, category_weights: Mapping[str, float]) -> RoutedModel:
        """Gives a model the paper's objective as its default, and returns the model.

        Args:
            model: A model that classifies.
            category_weights: Weight of the category loss of each controller, by its name.
        """
        wanted = None if self.use_category is False else self.categories
        table = None if wanted is None else load_categories(wanted, model.output_shape[-1])
        fixed, gated = cost.gated_macs(model)
        switched = int(sum(macs.sum() for macs in gated.values()))
        total = switched if self.flops_total == "subblocks" else switched + fixed
        macs = {name: by_sub_block.tolist() for name, by_sub_block in gated.items()}
        model.set_default_objective(DynamicMultipath(self.target_rate, macs, total, table, category_weights))
        return model


class Splitter:
    """Adds split blocks one behind the other; a controller reads the state of the one before.

    Args:
        sub_blocks: Integer N, sub-blocks per block.
        options: How controllers decide.
    """

    def __init__(self, sub_blocks: int, options: MakesControllers) -> None:
        self.sub_blocks, self.options = sub_blocks, options
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
        switches = self._add_controller(x, shortcut)
        parts = [wrap_model(x, partial(part, number=n), f"sub_block_{n + 1}") for n in range(self.sub_blocks)]
        model = wrap_model(x, shortcut, "shortcut") if callable(shortcut) else shortcut
        return layers.SplitBlock(parts, model, activation, name=name)(x, switches)

    def _add_controller(self, x: Any, shortcut: Any) -> Any:
        number = len(self.controllers) + 1
        arguments = self.options.controller(number, shortcut is not None)
        controller = layers.Controller(self.sub_blocks, **arguments, name=f"controller_{number}")
        self.controllers.append(controller.name)
        alone = self.state is None or not controller.use_previous
        switches, self.state = controller(x) if alone else controller(x, self.state)
        return switches
