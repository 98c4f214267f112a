"""Private parts of Keras and TensorFlow are as the package takes them to be: each test fails when one changes."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_routing
from tf_routing import layers
from tf_routing.core import private_apis


def dense_model() -> keras.Model:
    image = keras.Input((3,), name="image")
    shared = keras.layers.Dense(3, name="shared")
    return keras.Model(image, shared(shared(image)))


def compiled_model() -> keras.Model:
    model = dense_model()
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse", metrics=["mae"])
    return model


def test_symbolic_tensors_are_compared_by_identity() -> None:
    first, second = keras.Input((3,)), keras.Input((3,))
    assert {first: 1, second: 2}[first] == 1 and first not in [second]


def test_the_maker_of_a_tensor_is_the_call_whose_output_it_is() -> None:
    image = keras.Input((4,), name="image")
    shared = keras.layers.Dense(4, name="shared")
    first, second = shared(image), None
    second = shared(first)
    halves = keras.ops.split(second, 2, axis=-1)
    assert private_apis.maker_of(image).call.operation.name == "image"
    for tensor, read in ((first, image), (second, first)):
        call, output = private_apis.maker_of(tensor)
        assert call.operation is shared and output == 0
        assert call.input_tensors == [read] and call.output_tensors == [tensor]
    assert [private_apis.maker_of(half).output for half in halves] == [0, 1]


def test_calls_are_nodes_in_order_of_depth_one_per_call() -> None:
    calls = private_apis.calls_by_depth(dense_model())
    assert [call.operation.name for call in calls] == ["image", "shared", "shared"]
    assert calls[1].input_tensors[0] is calls[0].output_tensors[0]
    assert calls[2].input_tensors[0] is calls[1].output_tensors[0]
    assert [(len(call.arguments.args), call.arguments.kwargs) for call in calls[1:]] == [(1, {}), (1, {})]


def test_inputs_are_standardized_as_a_call_does() -> None:
    image, cost = keras.Input((3, 1), name="image"), keras.Input((1,), name="cost")
    model = keras.Model({"image": image, "cost": cost}, keras.layers.Flatten()(image) + cost)
    given = {"image": np.ones((2, 3), "float64"), "cost": np.zeros((2, 1), "int64")}
    flat = private_apis.standardize_inputs(model, given)
    assert [(each.shape, keras.backend.standardize_dtype(each.dtype)) for each in flat] == [
        ((2, *tensor.shape[1:]), "float32") for tensor in model.inputs
    ]
    with pytest.warns(UserWarning, match="structure of `inputs`"):
        private_apis.standardize_inputs(model, {"picture": given["image"]})


def test_all_layers_are_those_that_layers_hold_too() -> None:
    image = keras.Input((3,), name="image")
    dense = keras.layers.Dense(3, name="dense")
    inner = keras.Model(image, layers.Gate(2, name="gate")(image), name="inner")
    outer = keras.Input((3,), name="outer_image")
    model = keras.Model(
        outer,
        keras.layers.Concatenate()(
            [inner(outer), keras.layers.TimeDistributed(dense)(keras.layers.Reshape((1, 3))(outer))[:, 0]]
        ),
    )
    found = private_apis.all_layers(model)
    gate = inner.get_layer("gate")
    assert found[0] is model and {inner, gate, gate.hidden_layer, dense} <= set(found)
    assert len(found) == len(set(found))
    assert private_apis.all_layers(dense) == [dense]


def test_an_optimizer_knows_the_keras_variable_of_what_it_updates() -> None:
    seen = []

    class Watching(keras.optimizers.SGD):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            seen.append(private_apis.known_variable(self, variable))
            super().update_step(gradient, variable, learning_rate)

    variables = [keras.Variable(1.0, name=name) for name in ("first", "second")]
    Watching().apply([keras.ops.ones(()), keras.ops.ones(())], variables)
    assert [each.name for each in seen] == ["first", "second"]
    assert all(one is other for one, other in zip(seen, variables, strict=True))


def test_a_model_is_built_from_the_shapes_of_a_batch() -> None:
    model = compiled_model()
    assert not model.optimizer.built
    before = len(model.metrics_variables)
    private_apis.build_from_batch(model, (tf.TensorSpec((2, 3)), tf.TensorSpec((2, 3))))
    assert model.optimizer.built and len(model.metrics_variables) > before
    assert int(model.optimizer.iterations) == 0


def test_the_mean_of_the_loss_is_what_fit_logs() -> None:
    model = compiled_model()
    batch = np.ones((2, 3), "float32")
    logs = model.train_on_batch(batch, batch, return_dict=True)
    assert float(private_apis.loss_mean(model).result()) == pytest.approx(logs["loss"], rel=1e-6)
    assert private_apis.loss_mean(model) is model.metrics[0]


def test_the_stateless_update_of_metrics_takes_what_it_is_given() -> None:
    pytest.importorskip("jax")
    trainer = importlib.import_module("keras.src.backend.jax.trainer").JAXTrainer
    expected = list(inspect.signature(private_apis.update_metrics_statelessly).parameters)[1:]
    given = list(inspect.signature(trainer._update_metrics_variables).parameters)[1:]
    assert len(given) == len(expected)
    assert given[0] == "metrics_variables" and "loss" in given[1] and given[2:] == expected[2:]


def test_the_stored_value_of_a_variable_may_be_gone() -> None:
    variable = keras.Variable(2.0)
    assert float(private_apis.stored_value(variable)) == 2.0
    kept, variable._value = variable._value, None
    assert private_apis.stored_value(variable) is None
    variable._value = kept
    assert float(variable) == 2.0


def test_events_are_on_disk_once_they_are_flushed(tmp_path: Path) -> None:
    callback = keras.callbacks.TensorBoard(str(tmp_path))
    callback.set_model(compiled_model())
    callback.on_train_begin()
    callback.on_epoch_begin(0)

    def size() -> int:
        return sum(file.stat().st_size for file in tmp_path.rglob("events*") if file.is_file())

    private_apis.flush_events(callback)
    before = size()
    callback.on_epoch_end(0, {"loss": 1.0})
    private_apis.flush_events(callback)
    assert size() > before


def test_a_trackable_is_saved_with_its_attributes_and_called_again(tmp_path: Path) -> None:
    root = private_apis.new_trackable()
    root.variables = [tf.Variable(3.0)]
    root.__call__ = tf.function(lambda x: x * root.variables[0], input_signature=[tf.TensorSpec(())])
    tf.saved_model.save(root, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert float(loaded(tf.constant(2.0))) == 6.0 and [float(each) for each in loaded.variables] == [3.0]


def _classes() -> set[type]:
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(tf_routing.__path__, "tf_routing.")
        if not module.name.endswith("__main__")
    ]
    every = {each for module in modules for each in vars(module).values() if inspect.isclass(each)}
    return {each for each in every if each.__module__.startswith("tf_routing.")}


def _overridden(each: type) -> set[str]:
    """The private attributes of a class that a class of Keras or TensorFlow above it has too."""
    # Keras puts the class of functional models above others when the first one is made.
    above = [*each.__mro__, *(type(dense_model()).__mro__ if issubclass(each, keras.Model) else ())]
    theirs = [base for base in above if base.__module__.split(".")[0] in ("keras", "tensorflow")]
    names = {name for base in theirs for name in vars(base) if name.startswith("_") and not name.endswith("__")}
    return {f"{each.__name__}.{name}" for name in vars(each).keys() & names}


def test_one_private_hook_is_overridden() -> None:
    assert set().union(*map(_overridden, _classes())) == {"RoutedModel._run_through_graph"}
    assert "RoutedModel._run_through_graph" in (private_apis.__doc__ or "")


def test_copies_of_a_graph_are_drawn_through_the_overridden_hook() -> None:
    drawn = []

    class Watched(keras.Model):
        def _run_through_graph(self, *args: Any, **kwargs: Any) -> Any:
            outputs = super()._run_through_graph(*args, **kwargs)
            drawn.extend(keras.tree.flatten(outputs))
            return outputs

    image = keras.Input((3,), name="image")
    model = Watched(image, keras.layers.Dense(2)(image))
    drawn.clear()
    copy = keras.models.clone_model(model)
    assert any(tensor is copy.outputs[0] for tensor in drawn)
    x = np.ones((2, 3), "float32")
    answers = model(x)
    assert any(tensor is answers for tensor in drawn)


@pytest.mark.parametrize(("direction", "better"), [("up", 2.0), ("down", 1.0)])
def test_metrics_say_what_is_better(direction: str, better: float) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    metric = keras.metrics.MeanMetricWrapper(lambda y, p: p, name="mine")
    private_apis.tell_better(metric, direction)
    model.compile("sgd", "mse", metrics=[metric])
    callback = keras.callbacks.EarlyStopping("mine")
    model.fit(np.zeros((2, 2)), np.zeros((2, 1)), callbacks=[callback], verbose=0)
    assert bool(callback.monitor_op(better, 3.0 - better))


def test_a_stateless_scope_is_known_from_inside() -> None:
    assert not private_apis.in_stateless_scope()
    with keras.StatelessScope():
        assert private_apis.in_stateless_scope()
    assert not private_apis.in_stateless_scope()


def test_what_xla_compiles_is_known_while_it_is_traced() -> None:
    seen = {}

    def trace(name: str) -> Any:
        def function(x: Any) -> Any:
            seen[name] = private_apis.is_within_xla()
            # Also inside of a condition.
            return tf.switch_case(x, [lambda: look(f"{name} branch"), lambda: x])

        def look(inner: str) -> Any:
            seen[inner] = private_apis.is_within_xla()
            return tf.constant(0)

        return function

    tf.function(trace("xla"), jit_compile=True)(tf.constant(0))
    tf.function(trace("graph"))(tf.constant(0))
    inner = tf.function(trace("inner"))
    tf.function(lambda x: inner(x), jit_compile=True)(tf.constant(0))
    assert seen == {name: "graph" not in name for name in seen} and len(seen) == 6
    assert private_apis.is_within_xla() is False
