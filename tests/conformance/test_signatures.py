"""What users call says which tensors it takes: an editor shows them, and not `Any`."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tf_routing
from tf_routing import analysis, layers, objectives, zoo
from tf_routing.models import RoutedModel
from tf_routing.transforms.routing.exit_training import train_exits

# Arguments of these names hold tensors, arrays or batches, wherever they stand.
_TENSORS = {"inputs", "images", "input_tensor", "labels", "outputs", "sample_weight", "switches", "x", "y"}
_METHODS = ("call", "cost", "decide", "evaluate", "fit", "predict", "routes", "test_on_batch", "train_on_batch")


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in layers.__all__:
        yield f"layers.{name}", getattr(layers, name).call
    for name in objectives.__all__:
        each = getattr(objectives, name)
        if inspect.isclass(each):
            yield f"objectives.{name}", each.__call__
    yield from ((f"RoutedModel.{name}", getattr(RoutedModel, name)) for name in _METHODS)
    yield "zoo.get", zoo.get
    yield "calibrate_budgets", tf_routing.calibrate_budgets
    yield "calibrate", tf_routing.calibrate
    yield "train_exits", train_exits
    yield "block_sensitivity", analysis.block_sensitivity


def untyped(function: Callable[..., Any]) -> list[str]:
    """Names of tensors that are annotated as anything, alone or inside of a dict."""
    shown = [each for each in inspect.signature(function).parameters.values() if each.name in _TENSORS]
    return [each.name for each in shown if each.annotation in (Any, dict[str, Any], "Any")]


def test_anything_is_seen() -> None:
    def call(inputs: Any, outputs: dict[str, Any], training: Any) -> None: ...

    assert untyped(call) == ["inputs", "outputs"]


@pytest.mark.parametrize(
    ("name", "function"), list(public()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_tensors_are_typed(name: str, function: Callable[..., Any]) -> None:
    assert untyped(function) == []
