"""What a traced function consists of."""

from collections.abc import Iterable
from typing import Any


def operations(function: Any) -> list[str]:
    """Returns the kinds of the operations of a concrete function, and of those that it calls, as often as it does."""
    graph = function.graph.as_graph_def()
    functions = {each.signature.name: each for each in graph.library.function}

    def expanded(nodes: Iterable[Any]) -> list[str]:
        """The kinds of nodes, each followed by those of the functions that it calls."""
        kinds = []
        for node in nodes:
            kinds.append(node.op)
            for attribute in node.attr.values():
                # Functions of a gradient are named and not called.
                for called in (attribute.func, *attribute.list.func):
                    if called.name in functions:
                        kinds += expanded(functions[called.name].node_def)
        return kinds

    return expanded(graph.node)
