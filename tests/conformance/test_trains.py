"""Every layer and every net trains: gradients reach every weight, and one step moves them."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import LAYERS, TRAINED, draw_scores, images, labels, layer_batch, layer_model, small
from tf_routing.execution import gated_blocks
from tf_routing.models import RoutedModel

_RATE, _LAST_DIGIT = 0.1, 1e-6


def _paths(model: RoutedModel) -> list[str]:
    # Numbered: the parts of a block are models, whose weights have the same paths.
    return [f"{number}/{variable.path}" for number, variable in enumerate(model.trainable_variables)]


def _gradients(model: RoutedModel, x: object, y: np.ndarray) -> tuple[dict[str, np.ndarray | None], set[int]]:
    """The gradients by path, and the weights that this batch does not reach since no image chose their part."""
    before = [np.asarray(variable) for variable in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        outputs = model(x, training=True, return_outputs=True)
        loss = model.compute_loss(x=x, y=y, y_pred=outputs)
    gradients = tape.gradient(loss, model.trainable_variables)
    # The noise of the switches too: the step to come draws the same.
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        variable.assign(value)
    arrays = [None if gradient is None else np.asarray(gradient) for gradient in gradients]
    return dict(zip(_paths(model), arrays, strict=True)), _idle(model, outputs)


def _idle(model: RoutedModel, outputs: dict[str, object]) -> set[int]:
    # Other nets have no such blocks, or no decisions.
    blocks = [block for block in gated_blocks(model) if hasattr(block, "sub_blocks")]
    pairs = zip(blocks, model.decision_names, strict=False)
    chosen = [(part, n, outputs[name]) for block, name in pairs for n, part in enumerate(block.sub_blocks)]
    unused = [part for part, n, switches in chosen if not np.asarray(switches)[:, n].any()]
    return {id(weight) for part in unused for weight in part.weights}


def _may_be_dead(path: str) -> bool:
    # The narrow squeeze-and-excite of SEDeepCNN has a single ReLU unit, which half of all draws start dead.
    return path.endswith(("_se/squeeze/kernel", "_se/excite/kernel"))


def _assert_trains(model: RoutedModel, x: object) -> None:
    draw_scores(model)
    model.compile(keras.optimizers.SGD(_RATE), run_eagerly=True)
    gradients, idle = _gradients(model, x, labels())
    assert [path for path, gradient in gradients.items() if gradient is None] == []
    assert [path for path, gradient in gradients.items() if not np.isfinite(gradient).all()] == []
    weights = zip(gradients, model.trainable_variables, strict=True)
    reached = [path for path, weight in weights if id(weight) not in idle]
    assert len(reached) > len(gradients) / 2
    # A bias directly before a batch normalisation has no effect, so only these must have a gradient that is not zero.
    moved = [path for path in reached if path.endswith(("/kernel", "/alpha", "/gamma")) and not _may_be_dead(path)]
    assert [path for path in moved if not np.any(gradients[path])] == []
    before = dict(zip(_paths(model), map(np.asarray, model.trainable_variables), strict=True))
    logs = model.train_on_batch(x, labels(), return_dict=True)
    assert np.isfinite(list(logs.values())).all()
    after = dict(zip(_paths(model), map(np.asarray, model.trainable_variables), strict=True))
    # A step below the last digit of a weight leaves it as it is.
    seen = [path for path in moved if np.any(_RATE * np.abs(gradients[path]) > _LAST_DIGIT * np.abs(before[path]))]
    assert len(seen) > len(moved) / 2
    assert [path for path in seen if np.array_equal(before[path], after[path])] == []


@pytest.mark.parametrize("name", LAYERS)
def test_layer_trains(name: str) -> None:
    subject = LAYERS[name]
    _assert_trains(layer_model(subject, RoutedModel), layer_batch(subject))


@pytest.mark.parametrize("name", TRAINED)
def test_net_trains(name: str) -> None:
    # Units of so narrow nets are dead at some starts.
    keras.utils.set_random_seed(1)
    _assert_trains(small(name), images(name))


@pytest.mark.parametrize("name", ["basecnn_2cc", "basecnn_ensemble3"])
def test_fit_runs_as_a_graph_and_warns_of_nothing(name: str) -> None:
    model = small(name)
    model.compile(keras.optimizers.SGD(0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(images(name, 8), labels(8), batch_size=4, epochs=1, verbose=0).history
    assert np.isfinite(list(history.values())).all()


def test_repeated_steps_lower_the_loss() -> None:
    model = small("basecnn_2cc")
    model.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
    x, y = images("basecnn_2cc"), labels()
    losses = [model.train_on_batch(x, y, return_dict=True)["loss"] for _ in range(10)]
    # `train_on_batch` logs the running mean, which falls when the losses do.
    assert losses[-1] < losses[0]
