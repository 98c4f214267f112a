"""The private parts of Keras and TensorFlow that this package uses, each with what the public interface lacks.

Nothing else in the package touches an underscore attribute of theirs. `tests/core/test_private_apis.py` fails when one
of them changes.

Hooks that are overridden, so that they cannot be here:

* `RoutedModel._run_through_graph`, which Keras calls to run a graph and to draw it anew; nothing public is called with
  the tensors of a copy that `keras.models.clone_model` makes.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def calls_by_depth(model: "keras.Model") -> list[Any]:
    """Returns the nodes of a functional model in order of depth, one per call of a layer.

    `model.operations` is public, but lists a layer once, however often the graph calls it.
    """
    nodes = model._nodes_by_depth
    return [node for depth in sorted(nodes, reverse=True) for node in nodes[depth]]
