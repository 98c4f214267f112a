"""On JAX, neighbouring blocks that differ in nothing but their weights run as one loop, of which XLA compiles one pass.

XLA compiles whatever is called as often as it is called: a network of fifty blocks with six sizes each (see
`static_rows`) would be three hundred blocks to it. Only a loop is compiled once. So the graph is cut behind each block.
Of segments that follow each other, those that trace to the same computation run as `keras.ops.scan` over their stacked
weights; what one hands to the next is carried.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from tf_routing.core.graph import layer_calls, run_listed
from tf_routing.core.private_apis import full_values
from tf_routing.core.protocols import Gated, HasSubBlocks
from tf_routing.execution.static_rows import is_known

Call = Callable[..., Any]


class Segment(NamedTuple):
    """Calls of a graph up to a block.

    Args:
        calls: The calls, in order.
        inputs: Symbolic tensors that they read and do not make, in order of their first use.
        outputs: Symbolic tensors that they make.
        variables: The variables of their layers.
    """

    calls: list[Any]
    inputs: list[Any]
    outputs: list[Any]
    variables: list[Any]

    def run(self, call: Call, inputs: Sequence[Any]) -> list[Any]:
        """Returns the outputs, where `call` runs a layer on its arguments."""
        values = dict(zip(self.inputs, inputs, strict=True))
        run_listed(self.calls, values, call)
        return [values[tensor] for tensor in self.outputs]

    def run_with(self, call: Call, weights: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Returns the outputs with other values in the place of the variables, which it must not change."""
        with keras.StatelessScope(state_mapping=list(zip(self.variables, weights, strict=True))) as scope:
            before = [scope.get_current_value(variable) for variable in self.variables]
            outputs = self.run(call, inputs)
            after = [scope.get_current_value(variable) for variable in self.variables]
        if any(new is not old for new, old in zip(after, before, strict=True)):
            raise _Changes
        return outputs


class _Changes(Exception):
    """A segment changes a variable, such as the state of its draws, and cannot run in a loop."""


def cut(graph: keras.Model) -> list[Segment]:
    """Returns a functional graph as segments, each but the last one of which ends with a block.

    Args:
        graph: The functional model.
    """
    segments, calls = [], []
    for call in layer_calls(graph):
        # Input layers read nothing.
        calls += [call] if call.input_tensors else []
        if isinstance(call.operation, HasSubBlocks):
            segments.append(_segment(calls))
            calls = []
    return [*segments, _segment(calls)]


def _segment(calls: list[Any]) -> Segment:
    made = {tensor: None for call in calls for tensor in call.output_tensors}
    read = {tensor: None for call in calls for tensor in call.input_tensors if tensor not in made}
    layers = dict.fromkeys(call.operation for call in calls if isinstance(call.operation, keras.Layer))
    variables = {id(each): each for layer in layers for each in layer.variables}
    return Segment(list(calls), list(read), list(made), list(variables.values()))


def carried(before: Segment, after: Segment) -> dict[int, int] | None:
    """Returns which inputs of a segment the one before makes, by number, as numbers of its outputs.

    Returns:
        `None` where one cannot take the place of the other: all other inputs must be the same tensors.
    """
    if len(before.inputs) != len(after.inputs) or len(before.outputs) != len(after.outputs):
        return None
    found = {}
    for number, (old, new) in enumerate(zip(before.inputs, after.inputs, strict=True)):
        if new in before.outputs and (new.shape, new.dtype) == (old.shape, old.dtype):
            found[number] = before.outputs.index(new)
        elif new is not old:
            return None
    return found or None


class Ways(NamedTuple):
    """How a layer runs on its arguments, by where.

    Args:
        alone: Outside of loops.
        looped: In a loop.
        probe: With every part masked, which traces faster: segments are alike if they are in this way.
    """

    alone: Call
    looped: Call
    probe: Call


def runs_in_loops(inputs: Sequence[Any]) -> bool:
    """Whether a graph is compiled for several samples: one alone has a size and no more, and each block runs as it is.

    Args:
        inputs: Tensors that the graph reads.
    """
    if keras.backend.backend() != "jax" or is_known(inputs[0]):
        return False
    batch = inputs[0].shape[0]
    return isinstance(batch, int) and batch > 1


def run_in_loops(segments: Sequence[Segment], values: dict[Any, Any], ways: Ways, wanted: Sequence[Any]) -> None:
    """Runs segments, those that are alike in loops, and adds what they make to `values`.

    Args:
        segments: What `cut` returned.
        values: Dict from symbolic tensors to what stands for them, of the graph's inputs at first.
        ways: How layers run.
        wanted: Symbolic tensors that are read when all have run.
    """
    left = list(segments)
    while left:
        run = _alike(left, values, ways.probe)
        left = left[len(run) :]
        read = {tensor for segment in left for tensor in segment.inputs} | set(wanted)
        try:
            found = _loop(run, read, values, ways.looped) if len(run) > 1 else None
        except _Changes:
            found = None
        if found is not None:
            values.update(found)
            continue
        for segment in run:
            inputs = [values[tensor] for tensor in segment.inputs]
            values.update(zip(segment.outputs, segment.run(ways.alone, inputs), strict=True))


def _alike(segments: list[Segment], values: dict[Any, Any], probe: Call) -> list[Segment]:
    """Returns the first segment, and those after it that compute the same with other weights."""
    run = segments[:1]
    first = segments[0]
    if len(segments) < 3 or (wiring := carried(first, segments[1])) is None:
        return run
    inputs = [values[tensor] for tensor in first.inputs]
    trace = _trace(first, inputs, probe)
    for segment in segments[1:]:
        if trace is None or carried(run[-1], segment) != wiring or _trace(segment, inputs, probe) != trace:
            break
        run.append(segment)
    return run


def _trace(segment: Segment, inputs: Sequence[Any], probe: Call) -> str | None:
    """Returns what a segment computes as text, `None` where it cannot run in a loop."""
    import jax

    shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in segment.variables]
    given = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in inputs]
    try:
        jaxpr = jax.make_jaxpr(lambda *arguments: segment.run_with(probe, *arguments))(shapes, given)
    except _Changes:
        return None
    blocks = [each.operation for each in segment.calls if isinstance(each.operation, HasSubBlocks)]
    ways = [(type(each), isinstance(each, Gated) and (each.execution, each.method)) for each in blocks]
    # Functions are shown with their addresses; what is no argument is no text.
    return None if jaxpr.consts else re.sub(r" at 0x[0-9a-f]+", "", f"{ways} {jaxpr}")


def _loop(run: list[Segment], read: set[Any], values: dict[Any, Any], call: Call) -> dict[Any, Any]:
    """Returns what segments that are alike make, as far as it is read."""
    first, last = run[0], run[-1]
    wiring = carried(first, run[1]) or {}
    fixed = [values[tensor] for tensor in first.inputs]
    state = {number: fixed[number] for number in wiring}
    shown = sorted({segment.outputs.index(tensor) for segment in run for tensor in segment.outputs if tensor in read})
    # What the last one hands on is the state in the end, and no maps have to be kept of each.
    handed = {output: number for number, output in wiring.items()}
    shown = [each for each in shown if each not in handed or any(segment.outputs[each] in read for segment in run[:-1])]
    columns = zip(*(full_values(segment.variables) for segment in run), strict=True)
    weights = [ops.stack(column) for column in columns]

    def step(state: dict[int, Any], weights: list[Any]) -> tuple[dict[int, Any], list[Any]]:
        """Runs one segment."""
        inputs = [state.get(number, each) for number, each in enumerate(fixed)]
        outputs = first.run_with(call, weights, inputs)
        return {number: outputs[output] for number, output in wiring.items()}, [outputs[each] for each in shown]

    state, collected = ops.scan(step, state, weights)
    found = {last.outputs[output]: state[number] for output, number in handed.items()}
    for output, each in zip(shown, collected, strict=True):
        found |= {segment.outputs[output]: each[number] for number, segment in enumerate(run)}
    return found
