"""What a traced function consists of."""

from typing import Any


def operations(function: Any) -> list[str]:
    """Returns the kinds of the operations of a concrete function, and of those that it calls."""
    graph = function.graph.as_graph_def()
    inner = [node.op for each in graph.library.function for node in each.node_def]
    return [*(node.op for node in graph.node), *inner]
