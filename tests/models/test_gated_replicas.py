"""Two replicas train a gated model, its objective's heads included, to the weights that one device trains to."""

import json
from typing import Any

import pytest

from tests.snippets import run_snippet

# Biases apply_settings every switch: a sum in another order cannot turn one.
_RUN = """
import json

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.gated_net import COUNT, gated_model, images, labels


def train(strategy):
    with strategy.scope():
        model = gated_model()
        for number, bias in enumerate(([50, -50], [-50, 50, 50]), 1):
            scores = np.stack([np.zeros(len(bias)), bias], axis=1).reshape(-1)
            model.get_layer(f"controller_{number}").score_layer.bias.assign(scores)
        model.compile(keras.optimizers.SGD(0.3, momentum=0.9))
        rng = np.random.default_rng(1)
        for variable in model.objective_variables:
            variable.assign(rng.normal(size=variable.shape))
    before = [np.asarray(each).copy() for each in model.objective_variables]
    data = tf.data.Dataset.from_tensor_slices((images(), labels())).batch(COUNT).repeat(3)
    options = tf.data.Options()
    options.autotune.enabled = False
    logs = model.fit(data.with_options(options), verbose=0, shuffle=False).history
    weights = [np.asarray(each) for each in (*model.trainable_variables, *model.objective_variables)]
    moved = [float(np.abs(a - b).max()) for a, b in zip(before, weights[-len(before):], strict=True)]
    return weights, moved, {name: values[0] for name, values in logs.items()}


two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
assert two.num_replicas_in_sync == 2
(one_weights, moved, one_logs), (two_weights, _, two_logs) = train(tf.distribute.get_strategy()), train(two)
differences = [float(np.abs(a - b).max()) for a, b in zip(one_weights, two_weights, strict=True)]
print(json.dumps({"differences": differences, "moved": moved, "one": one_logs, "two": two_logs}))
"""


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return json.loads(run_snippet(_RUN).splitlines()[-1])


def test_two_replicas_train_to_the_weights_of_one_device(trained: dict[str, Any]) -> None:
    assert len(trained["moved"]) == 4 and min(trained["moved"]) > 1e-2
    assert max(trained["differences"]) < 1e-5


def test_two_replicas_log_what_one_device_logs(trained: dict[str, Any]) -> None:
    assert set(trained["one"]) == {"loss", "classification_loss", "category_loss", "execution_rate_loss", "flops_loss"}
    assert trained["two"] == pytest.approx(trained["one"], rel=1e-5)
