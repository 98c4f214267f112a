"""A term that squares a batch mean is given the mean of the whole batch, and so is its gradient."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import finish, start_python
from tf_routing.objectives.replicas import mean_over_replicas

_RUN = """
import json

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tf_routing.objectives import DynamicMultipath
from tf_routing.objectives.replicas import mean_over_replicas

two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
assert two.num_replicas_in_sync == 2


def per_replica(arrays):
    return two.experimental_distribute_values_from_function(
        lambda context: tf.constant(arrays[context.replica_id_in_sync_group])
    )


def run(step, *arrays):
    # A graph, as in `fit`: one thread per replica.
    results = tf.function(lambda *values: two.run(step, values))(*map(per_replica, arrays))
    return [np.asarray(each).tolist() for each in two.experimental_local_results(results)]


def squared(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        # A replica's share of the loss, as the training step takes it.
        loss = tf.reduce_sum(mean_over_replicas(x) ** 2) / 2
    return tf.concat([mean_over_replicas(x), tape.gradient(loss, x)], axis=0)


objective = DynamicMultipath(0.6, {"c1": [5, 3], "c2": [2, 7, 1]}, 18)


def resources(logits, one, two):
    with tf.GradientTape() as tape:
        tape.watch([one, two])
        terms = objective(tf.zeros(3, tf.int32), {"logits": logits, "c1": one, "c2": two})
        resource = terms["execution_rate_loss"] + terms["flops_loss"]
        loss = resource / 2
    gradients = tape.gradient(loss, [one, two])
    return tf.concat([resource[None], *(tf.reshape(each, [-1]) for each in gradients)], axis=0)


rng = np.random.default_rng(3)
switches = [rng.integers(0, 2, (6, n)).astype("float32") for n in (2, 3)]
logits = np.zeros((6, 4), "float32")
with tf.GradientTape() as tape:
    tensors = [tf.constant(each) for each in switches]
    tape.watch(tensors)
    terms = objective(np.zeros(6, "int32"), {"logits": logits, "c1": tensors[0], "c2": tensors[1]})
    resource = terms["execution_rate_loss"] + terms["flops_loss"]
gradients = [np.asarray(each) for each in tape.gradient(resource, tensors)]
print(json.dumps({
    "squared": run(squared, [[1.0, 5.0], [3.0, -1.0]]),
    "replicas": run(resources, *([each[:3], each[3:]] for each in (logits, *switches))),
    "whole": [
        [float(resource), *np.concatenate([each[half].ravel() for each in gradients]).tolist()]
        for half in (slice(3), slice(3, 6))
    ],
}))
"""


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return json.loads(finish(start_python(_RUN, KERAS_BACKEND="tensorflow")).splitlines()[-1])


def test_alone_a_tensor_is_returned_as_it_is() -> None:
    value = keras.ops.array([1.0, 2.0])
    assert mean_over_replicas(value) is value


def test_two_replicas_get_the_mean_and_its_gradient(results: dict[str, Any]) -> None:
    # Of m^2 at m = 2 by either replica's value: half of 2m, whichever replica it comes from.
    np.testing.assert_allclose(results["squared"], [[2.0, 2.0, 2.0, 2.0]] * 2)


def test_two_replicas_compute_the_resource_terms_of_the_whole_batch(results: dict[str, Any]) -> None:
    whole = results["whole"][0][0]
    assert whole > 1e-2
    np.testing.assert_allclose([replica[0] for replica in results["replicas"]], [whole] * 2, rtol=1e-5)


def test_two_replicas_gradients_are_those_of_the_whole_batch(results: dict[str, Any]) -> None:
    for replica, whole in zip(results["replicas"], results["whole"], strict=True):
        assert np.abs(whole[1:]).max() > 1e-2
        np.testing.assert_allclose(replica[1:], whole[1:], rtol=1e-4)
