"""Runs batches through the graph of a model, so that gated parts run as the model's settings say."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import keras

from tf_routing.execution.bucket_exits import BucketExits
from tf_routing.execution.carried_means import CarriedMeans
from tf_routing.execution.choice import batch_method
from tf_routing.execution.gated_layers import blocks_set_by, gated_blocks
from tf_routing.execution.in_place import find_overwrites
from tf_routing.execution.layer_calls import run_layers
from tf_routing.execution.run import IMAGE_SIZE, Run, can_skip
from tf_routing.execution.settings import BACKENDS, Settings, supports_jit
from tf_routing.execution.static_rows import needs_static_shapes, runs_in_buckets
from tf_routing.exit_tree import find_mixture


class GraphExecutor:
    """Runs batches through one functional graph: the model's, or another one that reads the model's layers.

    Not a Keras object, so that a model which owns one does not save it, nor the graph that it runs. What is derived
    from the graph is derived once.

    Args:
        graph: A functional model.
        image_size: Integer, height and width of its images in pixels, `None` where they may be of any size.
        settings: How gated parts run.
        traces: What executors of the same layers have traced; nothing yet where not given.

    Example:

    >>> from tf_routing import execution, zoo
    >>> net = zoo.get("drn_resnet32", width_multiplier=0.125)
    >>> executor = execution.GraphExecutor(net, 32, execution.Settings("sparse", "rows"))
    >>> executor.run(keras.ops.zeros((2, 32, 32, 3)), training=False, otherwise=net).shape
    TensorShape([2, 10])
    """

    def __init__(
        self,
        graph: keras.Model,
        image_size: int | None,
        settings: Settings | None = None,
        traces: Any = None,
    ) -> None:
        self.graph, self.image_size = graph, image_size
        self.settings = settings or Settings()
        self._traces = _begin_traces() if traces is None else traces

    def with_settings(self, settings: Settings) -> "GraphExecutor":
        """Returns an executor of the same graph with other settings."""
        return GraphExecutor(self.graph, self.image_size, settings, self._traces)

    def with_graph(self, graph: keras.Model) -> "GraphExecutor":
        """Returns an executor of another graph over the same images with the same settings."""
        return GraphExecutor(graph, self.image_size, self.settings, self._traces)

    @cached_property
    def blocks(self) -> list[Any]:
        """The layers that are run masked or sparse."""
        return gated_blocks(self.graph)

    @property
    def can_leave_early(self) -> bool:
        """Whether the graph has exits at which images leave at inference."""
        return self._mixture is not None and can_skip(self.settings.execution)

    def run(self, inputs: Any, training: bool | None, otherwise: Callable[[Any], Any]) -> Any:
        """Runs the graph on a batch, in parts where that is faster.

        Args:
            inputs: Images `(batch, height, width, channels)`, or a dict with more.
            training: Boolean.
            otherwise: Keras's forward pass, which runs where nothing can skip: in training, on other backends than
                TensorFlow and JAX, and where no part is gated.

        Returns:
            The outputs of the graph.
        """
        if training or not self.blocks or keras.backend.backend() not in BACKENDS:
            return otherwise(inputs)
        return self._run_batch(partial(self.run_layers, training=training, run=self.begin_run()), inputs)

    def leave_early(self, inputs: Any) -> dict[str, Any]:
        """Runs a network with exits on a batch at inference, every image up to the exit that it takes.

        Args:
            inputs: As for `run`.

        Returns:
            Dict of `probabilities` and the decisions by name.
        """
        in_buckets = runs_in_buckets(self.settings.method, keras.tree.flatten(inputs)[0].shape[0])
        return self._run_batch(self._bucket_exits if in_buckets else self._sparse_exits, inputs)

    def begin_run(self) -> Run:
        """Returns what the layers are handed for the next batch."""
        size = self.image_size or IMAGE_SIZE
        if not can_skip(self.settings.execution):
            return Run(self.settings, size)
        return Run(self.settings, size, self._overwrites, CarriedMeans(), self._traces)

    def run_layers(self, inputs: Any, training: bool | None, run: Run) -> Any:
        """Runs the graph layer by layer, and hands the run to those that take it.

        Args:
            inputs: As for `run`.
            training: Boolean.
            run: What `begin_run` returned.
        """
        return run_layers(self.graph, inputs, training, run)

    def needs_size(self, count: int, is_compiled: bool = False) -> bool:
        """Whether batches of this size run in a way of their own, so that a graph of theirs must know their size.

        Args:
            count: Integer, samples of a batch.
            is_compiled: Boolean, whether XLA compiles the graph: rows fill buckets of a size of the batch there.
        """
        if not can_skip(self.settings.execution) or not self.blocks:
            return False
        if is_compiled:
            return True
        # One image has nothing to be regrouped.
        return count == 1 or self.settings.method in ("switch", "buckets") or self._method_of_batch(count) == "images"

    def mark_compilable(self, is_asked_for: bool = False) -> None:
        """Tells Keras which blocks XLA may compile; it asks the layers, so that this cannot go with a batch.

        Args:
            is_asked_for: Boolean, whether the user wants XLA: it compiles every block.
        """
        run = Run(self.settings)
        for block in blocks_set_by(self.graph):
            block.supports_jit = is_asked_for or supports_jit(run.settings_of(block).execution)

    @cached_property
    def _overwrites(self) -> dict[Any, Any]:
        return find_overwrites(self.graph)

    @cached_property
    def _mixture(self) -> Any:
        return find_mixture(self.graph)

    @property
    def _exit_run(self) -> Run:
        # Between exits no block knows which maps the one before it made: rows leave in between.
        return Run(self.settings, self.image_size or IMAGE_SIZE)

    @cached_property
    def _bucket_exits(self) -> Callable[[Any], dict[str, Any]]:
        return BucketExits(self.graph, self._mixture, self._exit_run)

    @cached_property
    def _sparse_exits(self) -> Callable[[Any], dict[str, Any]]:
        # Here: TensorFlow is not there on other backends.
        from tf_routing.execution.sparse_exits import SparseExits

        return SparseExits(self.graph, self._mixture, self._exit_run)

    def _run_batch(self, forward: Callable[[Any], Any], inputs: Any) -> Any:
        if needs_static_shapes():
            return forward(inputs)
        # Here, as above.
        from tf_routing.execution.batches import count_statically, run_batch

        return run_batch(forward, inputs, self._method_of_batch(count_statically(inputs)))

    def _method_of_batch(self, count: int | None) -> str:
        if not can_skip(self.settings.execution):
            return "whole"
        if self.settings.batch_method != "auto":
            return self.settings.batch_method
        return batch_method(self.blocks, self.image_size or IMAGE_SIZE, count)


def _begin_traces() -> Any:
    if keras.backend.backend() != "tensorflow":
        return None
    # Here: TensorFlow is not there on other backends.
    from tf_routing.execution.shared_traces import SharedTraces

    return SharedTraces()
