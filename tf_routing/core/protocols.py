"""The interfaces of layers, by which the package finds those that decide, that cost something, or that own models.

All are checked with `isinstance`. A layer of a user that has the methods of an interface takes part without inheriting
from a class of this package.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol, runtime_checkable


class _Members(type(Protocol)):  # type: ignore[misc]
    """Looks for the members of an interface faster than `typing` does, which lists them anew for every object.

    Graphs are walked often, and each layer of them is asked for several interfaces.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        if Protocol not in cls.__bases__:
            return super().__instancecheck__(instance)
        return all(hasattr(instance, name) for name in _member_names(cls))


@cache
def _member_names(interface: Any) -> tuple[str, ...]:
    """Returns the names of the methods and attributes that an interface, and those that it extends, have."""
    extended = [each for each in interface.__mro__ if isinstance(each, _Members)]
    names = {name for each in extended for name in (*vars(each), *vars(each).get("__annotations__", ()))}
    return tuple(sorted(name for name in names if not name.startswith("_")))


@runtime_checkable
class Decides(Protocol, metaclass=_Members):
    """A layer one of whose outputs is a decision: gates, or switches `(batch, choices)`."""

    def decision(self, outputs: Sequence[Any]) -> Any:
        """Returns the decision among the layer's outputs (a flat list), `None` where it was called without one."""


@runtime_checkable
class ShowsOutputs(Protocol, metaclass=_Members):
    """A layer with outputs that objectives read in addition to its decision."""

    def observed(self, outputs: Sequence[Any]) -> dict[str, Any]:
        """Returns these outputs by name, picked among all outputs of the layer (a flat list)."""


@runtime_checkable
class FixesDecision(Protocol, metaclass=_Members):
    """A router that can tell what it would return if its decision were the same for all samples."""

    def decided(self, outputs: Sequence[Any], is_open: bool) -> list[Any]:
        """Returns the layer's outputs (a flat list) with every choice taken for all samples, or none."""


@runtime_checkable
class HasThresholds(Protocol, metaclass=_Members):
    """A router that compares scores with thresholds, which `calibrate` shifts; see `layers.routers.router.Router`."""

    @property
    def least_rate(self) -> float:
        """The least share of samples for which a choice can be taken."""

    def shift_thresholds(self, shifts: Any) -> None:
        """Adds `shifts` `(choices,)` to what `margins` returns from now on."""

    def shifts_for_rate(self, rate: float, *inputs: Any) -> Any:
        """Returns the shifts with which each choice is taken for a share `rate` of the given inputs."""

    def margins(self, *inputs: Any) -> Any:
        """Returns scores `(batch, choices)`: a choice is taken where its score is positive."""

    def comes(self, *inputs: Any) -> Any:
        """Returns which samples reach this router, a boolean array `(batch,)`."""

    def taken(self, outputs: Sequence[Any]) -> Any:
        """Returns which choices are taken, an array `(batch, choices)` of 0 and 1."""


@runtime_checkable
class CountsMacs(Protocol, metaclass=_Members):
    """A layer that knows its cost."""

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for an input of this shape, or these shapes, batch included."""


@runtime_checkable
class HasSubBlocks(Protocol, metaclass=_Members):
    """A block that owns models, each behind a switch of its decision, and a shortcut around them."""

    sub_blocks: Sequence[Any]
    # A model, a word that stands for a shortcut without layers, or `None`.
    shortcut: Any


@runtime_checkable
class Gated(Protocol, metaclass=_Members):
    """A layer that runs masked or sparse; see `execution.settings` for the values."""

    execution: str
    method: str


@runtime_checkable
class RunsSubBlocks(Gated, HasSubBlocks, Protocol, metaclass=_Members):
    """A block as executors run it; see `layers.blocks.switched_block.SwitchedBlock`."""

    @property
    def output_map(self) -> tuple[int, ...]:
        """The shape of one sample's output; `None` for sizes that depend on the images."""

    def map_shape(self, inputs: Any) -> tuple[Any, ...]:
        """Returns the shape of one sample's output for these inputs."""

    @property
    def keeps_what_it_bypasses(self) -> bool:
        """Whether samples that chose no sub-block leave exactly as they came."""

    def shortcut_terms(self, inputs: Any, training: bool | None = None) -> list[Any]:
        """Returns the shortcut's output in a list, which is empty where there is no shortcut."""

    def finish(self, inputs: Any, terms: Sequence[Any]) -> Any:
        """Returns the block's output for samples that all made the same choice."""

    def weighted(self, inputs: Any, terms: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> Any:
        """Returns the block's output with every sub-block run and weighted by its switch."""


@runtime_checkable
class TakesRun(Protocol, metaclass=_Members):
    """A layer whose `call` has an argument `run`, for what a model hands to its layers: an `execution.Run`."""

    takes_run: bool


@runtime_checkable
class SetsExecution(Protocol, metaclass=_Members):
    """A model that says by itself how its gated parts run, such as `RoutedModel`."""

    def set_execution(self, execution_: str, method: str = "auto", batch_method: str = "auto") -> None:
        """Sets how gated parts run."""


@runtime_checkable
class HasExitTree(Protocol, metaclass=_Members):
    """The layer in which the exits of a network that leaves early come together."""

    # An `exit_tree.Stage`: the package `core` knows nothing of what uses it.
    tree: Any


@runtime_checkable
class OwnsModels(Protocol, metaclass=_Members):
    """A layer that is made of models, which transforms replace one by one."""

    def rebuilt(self, transform: Callable[[Any], Any]) -> Any:
        """Returns a new layer of the same name and configuration, whose parts are `transform(part)`."""


@runtime_checkable
class OwnsNormalizations(Protocol, metaclass=_Members):
    """A layer that is made of linear layers with a batch normalisation behind each."""

    def without_normalization(self, folded_weights: Callable[[Any, Any], list[Any]]) -> Any:
        """Returns a copy for inference, whose linear layers have `folded_weights(layer, normalization)`."""


@runtime_checkable
class DerivesConstants(Protocol, metaclass=_Members):
    """A preprocessing layer of Keras: it computes with constants that it derives from its weights."""

    def finalize_state(self) -> None:
        """Derives the constants again; needed after weights are set."""
