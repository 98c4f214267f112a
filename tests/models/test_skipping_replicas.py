"""Two replicas train a network that skips to the weights of one device, pairs of images across replicas included."""

import json
from typing import Any

import numpy as np
import pytest

from tests.conformance.subjects import finish, start_python

_RUN = """
import json

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.skip_net import COUNT, images, labels, skip_model, soft_routes

EPOCHS, STEPS = 2, 2


def train(strategy):
    with strategy.scope():
        model = skip_model(copies=2, diversity_margin=2.0, target=0.3)
        model.compile(keras.optimizers.SGD(0.3, momentum=0.9), metrics=["accuracy"])
    before = [np.asarray(each).copy() for each in model.trainable_variables]
    data = tf.data.Dataset.from_tensor_slices((images(), labels())).batch(COUNT).repeat(STEPS * EPOCHS)
    options = tf.data.Options()
    options.autotune.enabled = False
    arguments = {"epochs": EPOCHS, "steps_per_epoch": STEPS, "verbose": 0, "shuffle": False}
    logs = model.fit(data.with_options(options), **arguments).history
    weights = [np.asarray(each) for each in model.trainable_variables]
    moved = [float(np.abs(a - b).max()) for a, b in zip(before, weights, strict=True)]
    return weights, moved, logs, float(np.asarray(model.objective_state[0]))


two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
assert two.num_replicas_in_sync == 2
(one_weights, moved, one_logs, one_state), (two_weights, _, two_logs, two_state) = (
    train(tf.distribute.get_strategy()), train(two)
)
differences = [float(np.abs(a - b).max()) for a, b in zip(one_weights, two_weights, strict=True)]

# The diversity of the first batch by itself, with nothing trained.
with two.scope():
    still = skip_model(copies=2, diversity_margin=2.0)
    still.compile(keras.optimizers.SGD(0.0))
data = tf.data.Dataset.from_tensor_slices((images(), labels())).batch(COUNT)
diversity = still.fit(data, verbose=0, shuffle=False).history["diversity_loss"][0]
print(json.dumps({
    "differences": differences, "moved": moved, "one": one_logs, "two": two_logs, "states": [one_state, two_state],
    "diversity": diversity, "routes": soft_routes(skip_model(), images()).tolist(),
}))
"""


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return json.loads(finish(start_python(_RUN, KERAS_BACKEND="tensorflow")).splitlines()[-1])


def closeness(centres: np.ndarray) -> float:
    """Eq. 6 with a margin of 2, in its weight of 0.2."""
    distances = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=-1))
    missing = np.maximum(2.0 - distances, 0)[~np.eye(len(centres), dtype=bool)] ** 2
    return 0.2 * missing.mean()


def test_two_replicas_train_to_the_weights_of_one_device(trained: dict[str, Any]) -> None:
    assert len(trained["moved"]) == 1 + 3 * 4 + 4 + 2 and min(trained["moved"]) > 1e-5
    assert max(trained["moved"]) > 1e-2
    assert max(trained["differences"]) < 1e-5


def test_two_replicas_log_what_one_device_logs(trained: dict[str, Any]) -> None:
    terms = {"classification_loss", "consistency_loss", "diversity_loss", "cost_loss", "regularization_loss"}
    assert set(trained["one"]) == {"loss", "accuracy", *terms, "execution_rate", "cost_weight"}
    assert all(trained["one"][term][0] > 1e-4 for term in terms)
    assert set(trained["two"]) == set(trained["one"])
    for name, values in trained["one"].items():
        assert trained["two"][name] == pytest.approx(values, abs=1e-5), name


def test_both_adapt_the_same_weight(trained: dict[str, Any]) -> None:
    assert trained["states"][0] != pytest.approx(0.05)
    assert trained["states"][1] == pytest.approx(trained["states"][0], rel=1e-6)
    assert trained["two"]["cost_weight"] != pytest.approx([trained["two"]["cost_weight"][0]] * 2)


def test_images_on_different_replicas_are_compared(trained: dict[str, Any]) -> None:
    centres = np.array(trained["routes"]).reshape(6, 2, 3).mean(axis=1)
    apart = (closeness(centres[:3]) + closeness(centres[3:])) / 2
    assert abs(apart - closeness(centres)) > 1e-3
    assert trained["diversity"] == pytest.approx(closeness(centres), rel=1e-4)
