"""Where images can leave a network early: tensors through which everything goes that is computed later."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tf_routing.support.validation import unknown
from tf_routing.transforms.routing.classifier_end import ClassifierEnd
from tf_routing.transforms.routing.flat_calls import FlatCall, FlatGraph
from tf_routing.transforms.routing.residual_blocks import ResidualBlock


class Stage(NamedTuple):
    """The calls between two places at which images can leave.

    Args:
        calls: The calls, in order of depth.
        result: The tensor with which the stage ends.
    """

    calls: list[FlatCall]
    result: Any


def cut_stages(
    graph: FlatGraph, end: ClassifierEnd, found: Sequence[ResidualBlock], exits: Sequence[str] | None, skips: bool
) -> list[Stage]:
    """Cuts a network into stages, behind each of which but the last one images can leave.

    Args:
        graph: The network.
        end: How it ends; the call that makes logits is in no stage.
        found: Its residual blocks.
        exits: Names of the layers behind which images can leave. Where not given, it is behind the last residual block
            of each size of maps but the smallest.
        skips: Boolean, whether the blocks can be skipped too, so that nobody leaves inside of them.

    Raises:
        ValueError: If a name is not known, or something later reads what was computed before that layer; or if there is
            no place to leave.
    """
    places = _Places(graph, found, end.logits, skips)
    chosen = places.find() if exits is None else places.named(exits)
    stages, before = [], set[FlatCall]()
    for tensor in [*(call.outputs[0] for call in chosen), end.logits.inputs[0]]:
        calls = [call for call in places.ancestors(tensor) if call not in before]
        stages.append(Stage(calls, tensor))
        before |= set(calls)
    return stages


class _Places:
    """The places at which one network can be left."""

    def __init__(self, graph: FlatGraph, blocks: Sequence[ResidualBlock], last: FlatCall, skips: bool) -> None:
        self.graph, self.blocks, self.last = graph, blocks, last
        self.makers, self.readers = graph.makers(), graph.readers()
        inside = {call for block in blocks for call in (*block.branch, block.sum)} - {block.last for block in blocks}
        self.inside = inside if skips else set()

    def ancestors(self, tensor: Any) -> list[FlatCall]:
        """Returns the calls that a tensor depends on, in order of depth, that which makes it among them."""
        found, left = set(), [self.makers[tensor]]
        while left:
            number = left.pop()
            if number not in found:
                found.add(number)
                left += [self.makers[read] for read in self.graph.calls[number].inputs]
        return [self.graph.calls[number] for number in sorted(found)]

    def reason_against(self, call: FlatCall) -> str | None:
        """Returns why images cannot leave behind a call, `None` where they can."""
        if call in self.inside:
            return "it is inside of a block that can be skipped"
        if len(call.outputs) != 1 or len(call.outputs[0].shape) != 4:
            return f"it makes no maps, but {call.outputs[0].shape}"
        before = set(self.ancestors(call.outputs[0]))
        if self.last in before:
            return "it is where the network ends"
        for each in before:
            for tensor in each.outputs:
                later = [reader for reader in self.readers.get(tensor, ()) if reader not in before]
                if tensor is not call.outputs[0] and later:
                    return f"{later[0].name!r} later reads {each.name!r}, which comes before"
        return None

    def named(self, names: Sequence[str]) -> list[FlatCall]:
        """Returns the calls of these names, in order of depth."""
        if isinstance(names, str) or not names:
            raise ValueError(f"`exits` must be a list of names of layers. Received: exits={names!r}")
        known = {call.name: call for call in self.graph.calls}
        # A block of a sum without a name has a name of its own.
        known |= {name: block.last for block in self.blocks for name in block.names}
        for name in names:
            if name not in known:
                raise ValueError(unknown("layer", name, known))
            reason = self.reason_against(known[name])
            if reason is not None:
                raise ValueError(f"`exits` names {name!r}, behind which images cannot leave: {reason}.")
        chosen = {known[name] for name in names}
        return [call for call in self.graph.calls if call in chosen]

    def find(self) -> list[FlatCall]:
        """Returns the last block of each size of maps but the smallest, where images can leave behind it."""
        found = [each for each in _last_but_smallest(block.last for block in self.blocks) if self.can_leave(each)]
        if not found:
            others = [call.name for call in _last_but_smallest(filter(self.can_leave, self.computed()))]
            raise ValueError(
                "`model` must have residual blocks of two sizes of maps, behind which images could leave, or `exits` "
                f"name layers behind which they can{f', such as exits={others}' if others else ''}. Received: none such"
            )
        return found

    def computed(self) -> Iterator[FlatCall]:
        """Yields the calls that depend on weights."""
        learnt: set[Any] = set()
        for call in self.graph.calls:
            if getattr(call.operation, "weights", None) or learnt.intersection(call.inputs):
                learnt.update(call.outputs)
                yield call

    def can_leave(self, call: FlatCall) -> bool:
        """Returns whether images can leave behind a call."""
        return self.reason_against(call) is None


def _last_but_smallest(calls: Iterable[FlatCall]) -> list[FlatCall]:
    """Returns the last call of each size of maps but the last."""
    return list({call.outputs[0].shape[1:3]: call for call in calls}.values())[:-1]
