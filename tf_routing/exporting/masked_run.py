"""Switches a model to masked execution for the time of an export to formats that cannot skip."""

from collections.abc import Iterator
from contextlib import contextmanager

from tf_routing.core.private_apis import all_layers
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
    before = [each.executor.settings for each in parts]
    try:
        model.execution = "masked"
        yield
    finally:
        # Innermost first, as they are set.
        for part, settings in reversed(list(zip(parts, before, strict=True))):
            part.apply_settings(settings)
