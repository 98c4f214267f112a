"""A term that squares a batch mean, or compares samples, is given the whole batch, and so is its gradient."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from tests.snippets import run_snippet
from tf_routing.core.replicas import mean_over_replicas, rows_of_all_replicas

_RUN = """
import json

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tf_routing.objectives import DiverseRoutes, DynamicMultipath
from tf_routing.core.replicas import mean_over_replicas, rows_of_all_replicas

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


def weighed(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        rows = rows_of_all_replicas(x)
        # Each row counts otherwise, so that a row in the wrong place shows.
        loss = tf.reduce_sum(rows ** 2 * [[1.0], [10.0], [100.0], [1000.0]]) / 2
    return tf.concat([rows, tape.gradient(loss, x)], axis=0)


diverse = DiverseRoutes({"c1": [5], "c2": [2]}, copies=2, diversity_margin=2.0)
TERMS = ("consistency_loss", "diversity_loss", "cost_loss", "regularization_loss")


def compared(logits, one, two):
    with tf.GradientTape() as tape:
        tape.watch([one, two])
        terms = diverse(tf.zeros(tf.shape(logits)[0], tf.int32), {"logits": logits, "c1": one, "c2": two})
        loss = sum(terms[name] for name in TERMS) / tf.distribute.get_strategy().num_replicas_in_sync
    gradients = tape.gradient(loss, [one, two])
    return tf.concat([[terms[name] for name in TERMS], *(tf.reshape(each, [-1]) for each in gradients)], axis=0)


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
routes = [rng.uniform(size=(8, 1)).astype("float32") for _ in range(2)]
batch = [np.zeros((8, 4), "float32"), *routes]
print(json.dumps({
    "weighed": run(weighed, [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]),
    "pairs": run(compared, *([each[:4], each[4:]] for each in batch)),
    "all_pairs": np.asarray(compared(*map(tf.constant, batch))).tolist(),
    "own_pairs": [np.asarray(compared(*(tf.constant(each[half]) for each in batch))).tolist()
                  for half in (slice(4), slice(4, 8))],
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
    return json.loads(run_snippet(_RUN).splitlines()[-1])


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


def test_alone_rows_are_returned_as_they_are() -> None:
    rows = keras.ops.array([[1.0], [2.0]])
    assert rows_of_all_replicas(rows) is rows


def test_two_replicas_get_all_rows_in_order_and_gradients_of_their_own(results: dict[str, Any]) -> None:
    every = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
    # Of w x^2 over all rows by either replica's half of the loss: 2 w x.
    own = [[2.0, 4.0], [60.0, 80.0]], [[1000.0, 1200.0], [14000.0, 16000.0]]
    np.testing.assert_allclose(results["weighed"], [[*every, *each] for each in own])


def test_two_replicas_compare_the_routes_of_the_whole_batch(results: dict[str, Any]) -> None:
    replicas, whole, alone = (np.array(results[name]) for name in ("pairs", "all_pairs", "own_pairs"))
    # Diversity is the same on both and no mean of what each would see alone; the others are the mean of both.
    assert abs(alone[:, 1].mean() - whole[1]) > 1e-3
    np.testing.assert_allclose(replicas[:, 1], [whole[1]] * 2, rtol=1e-5)
    np.testing.assert_allclose(replicas[:, :4].mean(axis=0), whole[:4], rtol=1e-5)


def test_two_replicas_gradients_of_routes_are_those_of_the_whole_batch(results: dict[str, Any]) -> None:
    replicas, whole = np.array(results["pairs"])[:, 4:], np.array(results["all_pairs"])[4:].reshape(2, 2, 4)
    assert np.abs(whole).max() > 1e-2
    np.testing.assert_allclose(replicas.reshape(2, 2, 4), whole.transpose(1, 0, 2), rtol=1e-4, atol=1e-7)
