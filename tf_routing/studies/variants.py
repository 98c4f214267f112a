"""A variant of the network that a study trains."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Variant(NamedTuple):
    """A network of a study.

    Args:
        label: What figures call it.
        changes: Arguments of `zoo.get` in which it differs from the network that the study is given.
        at_test: Arguments that change after training: the trained weights are measured with them.
    """

    label: str
    changes: Mapping[str, Any]
    at_test: Mapping[str, Any] = {}
