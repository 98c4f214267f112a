"""Parallel paths, held as a plain list of tensors, and the routing layers between them.

Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450: sections 3
(cross-predictions) and 4 (cross-connections).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_routing import layers
from tf_routing.support.validation import one_of, positive_integer
from tf_routing.zoo.arguments.idle_arguments import Condition
from tf_routing.zoo.builders.parts.blocks import EPSILON, MOMENTUM


@dataclass(frozen=True)
class Paths:
    """How many paths a network has, and what routes between them.

    Args:
        paths: Integer, number of parallel paths.
        router: `None`, `"cc"` for cross-connections or `"cp"` for cross-predictions.
        hidden: Integer, hidden units of the gates.
        average: `"logits"` or `"probs"`, what the heads' average is taken of.
    """

    ROUTERS: ClassVar[tuple[str | None, ...]] = (None, "cc", "cp")
    CONDITIONS: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("hidden",), lambda values: values["router"] in ("cc", "cp"), "where gates are, with router='cc' or 'cp'"
        ),
        Condition(
            ("average",),
            lambda values: values["paths"] > 1 and values["include_top"],
            "where several heads are averaged",
        ),
    )

    paths: int = 1
    router: str | None = None
    hidden: int = 16
    average: str = "logits"

    def __post_init__(self) -> None:
        one_of("router", self.router, self.ROUTERS)
        one_of("average", self.average, ("logits", "probs"))
        positive_integer("paths", self.paths)


def path_prefix(path: int, paths: int) -> str:
    """Returns the prefix of layer names on a path counted from 1: empty where it is the only one."""
    return f"path_{path}_" if paths > 1 else ""


def connect(tensors: Sequence[Any], paths: Paths, route: int) -> list[Any]:
    """Puts a cross-connection between parallel tensors; its gates stay in the graph as a decision.

    Args:
        tensors: What to connect, of one shape.
        paths: How many tensors to return, and the size of the gates.
        route: Integer, number of the routing layer in order of depth.
    """
    layer = layers.CrossConnection(paths.paths, paths.hidden, name=f"route_{route}")
    return layer(list(tensors), return_gates=True)[0]


def predict(tensors: Sequence[Any], paths: Paths, route: int, **arguments: Any) -> list[Any]:
    """Puts a cross-prediction between parallel tensors; its gates stay in the graph as a decision.

    Args:
        tensors: What to predict from, of one shape.
        paths: How many tensors to return, and the size of the gates.
        route: Integer, number of the routing layer in order of depth.
        **arguments: `filters` or `units`, and others of `layers.CrossPrediction`.
    """
    layer = layers.CrossPrediction(
        paths.paths, hidden=paths.hidden, momentum=MOMENTUM, epsilon=EPSILON, name=f"route_{route}", **arguments
    )
    return layer(list(tensors), return_gates=True)[0]
