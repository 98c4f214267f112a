"""At full width, in graphs and batches that TensorFlow may treat otherwise, a net computes what small ones do."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import disturb, draw_scores
from tf_routing import calibrate, export, fold_batch_norm, zoo
from tf_routing.models import RoutedModel

COUNT = 48
NETS = ["basecnn_2cc", "drn_resnet32", "decide_chain8", "dmnn50_cifar_n2", "msdnet_5"]


def net(name: str) -> tuple[RoutedModel, np.ndarray]:
    """A disturbed net that ends in logits, and images, on half of which each gate opens."""
    keras.utils.set_random_seed(1)
    model = zoo.get(name, classifier_activation=None)
    disturb(model)
    draw_scores(model)
    x = np.random.default_rng(2).uniform(size=(COUNT, *model.input_shape[1:])).astype("float32")
    if name != "basecnn_2cc":
        calibrate(model, x, rate=0.8 if name in ("decide_chain8", "msdnet_5") else 0.5)
    return model, x


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.ptp(expected) > 1e-3
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.heavy
@pytest.mark.parametrize("name", NETS)
def test_every_way_to_run_a_full_width_net_agrees(name: str, tmp_path: Path) -> None:
    model, x = net(name)
    model.execution = "masked"
    expected, routes = model.predict(x, batch_size=COUNT, verbose=0), model.routes(x)
    if name != "basecnn_2cc":
        model.execution = "sparse"
        assert_same(model.predict(x, batch_size=COUNT, verbose=0), expected)
        for key, values in model.routes(x).items():
            np.testing.assert_array_equal(values, routes[key], err_msg=key)
        assert len(set(model.cost(x))) > 1
    folded = fold_batch_norm(model)
    assert_same(folded.predict(x, batch_size=COUNT, verbose=0), expected)
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras").predict(x, batch_size=COUNT, verbose=0), expected)
    export(model, tmp_path / "export", freeze=True)
    serve = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    assert_same(serve(images=tf.constant(x))["probabilities"].numpy(), expected)
