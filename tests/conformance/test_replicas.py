"""Two replicas train to the weights that one device trains to."""

import json
from typing import Any

import pytest

from tests.conformance.subjects import finish, start_python

_TRAIN = """
import json
import sys

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests import exit_net, gated_net
from tests.conformance.subjects import CLASSES, images, labels, small
from tf_routing import calibrate, layers
from tf_routing.models import RoutedModel


def plain():
    image = keras.Input((16, 16, 3))
    paths = layers.CrossConnection(2, name="route_1")(image, return_gates=True)[0]
    paths = [keras.layers.Conv2D(4, 3, activation="relu")(path) for path in paths]
    paths = layers.CrossConnection(2, name="route_2")(paths, return_gates=True)[0]
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Average()(paths))
    return RoutedModel(image, keras.layers.Dense(CLASSES, "softmax")(pooled))


def gated():
    # Without noise, which each replica draws for itself, switches are those of the scores, in the gradients too.
    layers.Controller._gumbel = lambda self, shape: keras.ops.zeros(shape, self.compute_dtype)
    model = gated_net.gated_model()
    # On for five images of eight: more on one replica than on the other.
    calibrate(model, gated_net.images(8), rate=5 / 8)
    return model


def train(build, start, x, y, strategy):
    with strategy.scope():
        model = build()
        model.compile(keras.optimizers.SGD(0.05))
        model.set_weights(start)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(len(x)).repeat(3)
    options = tf.data.Options()
    options.autotune.enabled = False
    logs = model.fit(data.with_options(options), epochs=1, verbose=0).history
    return model.get_weights(), {name: values[0] for name, values in logs.items()}


def compare(build, x, y, halves_alike):
    start = build().get_weights()
    both = (np.concatenate([x, x]), np.concatenate([y, y])) if halves_alike else (x, y)
    two = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    assert two.num_replicas_in_sync == 2
    (one_weights, one_logs), (two_weights, two_logs) = (
        train(build, start, x, y, tf.distribute.get_strategy()),
        train(build, start, *both, two),
    )
    pairs = list(zip(one_weights, two_weights, strict=True))
    return {
        "weights": max(float(np.abs(a - b).max()) for a, b in pairs),
        "moved": max(float(np.abs(a - b).max()) for a, b in zip(one_weights, start, strict=True)),
        "one_logs": one_logs,
        "two_logs": two_logs,
    }


keras.utils.set_random_seed(1)
name = sys.argv[1]
if name == "plain":
    print(json.dumps(compare(plain, images("basecnn", 8), labels(8), halves_alike=False)))
elif name == "gated":
    print(json.dumps(compare(gated, gated_net.images(8), gated_net.labels(8), halves_alike=False)))
elif name == "exits":
    print(json.dumps(compare(exit_net.exit_model, exit_net.images(4), exit_net.labels(4), halves_alike=True)))
else:
    print(json.dumps(compare(lambda: small(name), images(name), labels(), halves_alike=True)))
"""


def _compare(name: str) -> dict[str, Any]:
    return json.loads(finish(start_python(_TRAIN, name, KERAS_BACKEND="tensorflow")).splitlines()[-1])


# Batch normalisation takes the statistics of a replica, so nets that have it see the same half batch on both.
# The plain and the gated net have none, and their two halves differ. Means over halves that differ, of how surely the
# layers of an early exit are reached, are tested beside its objective.
@pytest.mark.parametrize("name", ["plain", "gated", "basecnn_2cp", "basecnn_ensemble3", "exits"])
def test_two_replicas_equal_one_device(name: str) -> None:
    compared = _compare(name)
    assert compared["moved"] > 1e-3
    assert compared["weights"] < 1e-5
    assert compared["two_logs"].keys() == compared["one_logs"].keys()
    for term, value in compared["one_logs"].items():
        assert compared["two_logs"][term] == pytest.approx(value, abs=1e-5), term
