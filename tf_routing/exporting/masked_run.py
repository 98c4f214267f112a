"""Switches a model to masked execution for the time of an export to formats that cannot skip."""

from collections.abc import Iterator
from contextlib import contextmanager

from tf_routing.core.private_apis import all_layers
from tf_routing.execution import gated_blocks
from tf_routing.models import RoutedModel


@contextmanager
def running_masked(model: RoutedModel) -> Iterator[None]:
    """Runs every branch of a model, and of models inside it, until the block ends; then all is set as it was.

    Args:
        model: A `RoutedModel`.

    Example:

    >>> from tf_routing import zoo
    >>> from tf_routing.exporting.masked_run import running_masked
    >>> model = zoo.get("drn_resnet32", width_multiplier=0.125)
    >>> with running_masked(model):
    ...     model.execution
    'masked'
    >>> model.execution
    'auto'
    """
    parts = [each for each in all_layers(model) if isinstance(each, RoutedModel)]
    before = [(each, each.execution, each.batch_method) for each in parts]
    methods = [(block, block.execution, block.method, block.supports_jit) for block in gated_blocks(model)]
    for part in parts:
        part.execution = "masked"
    try:
        yield
    finally:
        for part, execution, batch_method in before:
            part.set_execution(execution, batch_method=batch_method)
        # Blocks may be set otherwise than their model.
        for block, execution, method, supports_jit in methods:
            block.execution, block.method, block.supports_jit = execution, method, supports_jit
