"""A graph is run layer by layer, and only layers that take it are handed the run."""

import gc
import weakref
from typing import Any

import keras
import numpy as np
import pytest

from tests.execution.split_nets import images, mixed_net, relative, rows_run
from tf_routing.execution import GraphExecutor, Run, Settings, gated_blocks
from tf_routing.execution.layer_calls import call_layer
from tf_routing.execution.settings import load_settings
from tf_routing.models import RoutedModel

COUNT = 7


def otherwise(x: Any) -> Any:
    raise AssertionError("Keras's forward pass was called")


class Recorder(keras.layers.Layer):
    """Notes with what it was called; takes a run if it says so."""

    def __init__(self, takes_run: bool) -> None:
        super().__init__()
        self.seen: list[Any] = []
        if takes_run:
            self.takes_run = True

    def call(self, inputs: Any, training: bool | None = None, run: Any = None) -> Any:
        self.seen.append((training, run))
        return inputs


@pytest.mark.parametrize("training", [None, False])
def test_a_layer_gets_the_run_if_it_takes_one(training: bool | None) -> None:
    run = Run()
    for takes_run in (True, False):
        layer = Recorder(takes_run)
        call_layer(run, training, layer, np.ones((1, 2), "float32"))
        assert layer.seen == [(training, run if takes_run else None)]


def test_settings_of_the_model_go_before_those_of_its_parts() -> None:
    parts = Settings("masked", "rows", "chunks")
    assert Settings().within(parts) == parts
    assert Settings("sparse").within(parts) == Settings("sparse", "rows", "chunks")
    assert Settings("sparse", "patterns", "whole").within(parts) == Settings("sparse", "patterns", "whole")


def test_settings_of_files_are_read_as_they_were_written() -> None:
    saved = {"execution": "sparse", "method": "rows", "batch_method": "chunks"}
    assert load_settings(saved, []) == Settings("sparse", "rows", "chunks")
    assert load_settings({}, []) == Settings()


@pytest.mark.parametrize("execution", ["masked", "sparse"])
def test_an_executor_runs_a_graph_by_its_settings_whatever_the_model_is_set_to(execution: str) -> None:
    model, x = mixed_net(), images(COUNT)
    expected = np.asarray(model(x, training=False))
    model.execution = "masked" if execution == "sparse" else "sparse"
    rows_run(model)
    executor = GraphExecutor(model, None, Settings(execution))
    assert relative(executor.run(x, False, otherwise), expected) <= 1e-5
    assert (rows_run(model) == COUNT).all() == (execution == "masked")


def test_in_training_and_without_gates_the_forward_pass_of_keras_runs() -> None:
    image = keras.Input((2,))
    plain = RoutedModel(image, keras.layers.Dense(3)(image))
    for graph, training in ((mixed_net(), True), (plain, False)):
        assert GraphExecutor(graph, None).run("a batch", training, lambda x: f"{x} by Keras") == "a batch by Keras"


def test_another_graph_has_its_own_overwrites_and_blocks() -> None:
    model = mixed_net()
    executor = GraphExecutor(model, 8, Settings("sparse", "rows"))
    first = keras.Model(model.input, model.get_layer("block_1").output)
    other = executor.with_graph(first)
    assert other.settings == executor.settings and other.image_size == 8
    assert other.blocks == gated_blocks(model)[:1] and executor.blocks == gated_blocks(model)
    assert executor.with_settings(Settings("masked")).begin_run().settings == Settings("masked")


def test_other_settings_share_traces_however_often_and_keep_no_executor_of_before() -> None:
    executor = first = GraphExecutor(mixed_net(), 8, Settings("sparse", "rows"))
    # More often than Python lets functions call each other.
    for _ in range(1500):
        executor = executor.with_settings(Settings("sparse", "rows"))
    assert executor.begin_run().traces is first.begin_run().traces is not None
    before = weakref.ref(first)
    del first
    gc.collect()
    assert before() is None
