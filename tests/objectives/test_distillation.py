"""The distillation objective is what its equation says, and its gradient trains gates without a label."""

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import images, own_net
from tf_routing.objectives import Distillation

RNG = np.random.default_rng(17)
BATCH, CLASSES = 4, 3
MACS = {"router_1": [3], "router_2": [1]}


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def divergence(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    p, q = softmax(teacher), softmax(student)
    return (p * (np.log(p) - np.log(q))).sum(axis=-1)


def drawn() -> dict[str, np.ndarray]:
    outputs = {name: RNG.normal(size=(BATCH, CLASSES)).astype("float32") for name in ("logits", "whole_logits")}
    outputs |= {
        name: softmax(outputs[name.replace("probabilities", "logits")])
        for name in ("probabilities", "whole_probabilities")
    }
    return {**outputs, **{name: RNG.uniform(size=(BATCH, 1)).astype("float32") for name in MACS}}


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_terms_are_those_of_the_equation(temperature: float) -> None:
    objective, outputs = Distillation(MACS, cost_weight=0.5, temperature=temperature), drawn()
    terms = objective(None, outputs)
    expected = (
        temperature**2 * divergence(outputs["whole_logits"] / temperature, outputs["logits"] / temperature).mean()
    )
    np.testing.assert_allclose(terms["distillation_loss"], expected, rtol=1e-5)
    share = 0.75 * outputs["router_1"] + 0.25 * outputs["router_2"]
    np.testing.assert_allclose(terms["cost_loss"], 0.5 * share.mean(), rtol=1e-6)
    measured = objective.measures(outputs)
    np.testing.assert_allclose(measured["execution_rate"], share.mean(), rtol=1e-6)
    agrees = outputs["logits"].argmax(axis=1) == outputs["whole_logits"].argmax(axis=1)
    np.testing.assert_allclose(measured["agreement"], agrees.mean())


def test_probabilities_do_where_there_are_no_logits() -> None:
    outputs = drawn()
    bare = {name: each for name, each in outputs.items() if "logits" not in name}
    for name, term in Distillation(MACS)(None, outputs).items():
        np.testing.assert_allclose(Distillation(MACS)(None, bare)[name], term, rtol=1e-4)


def test_exits_count_by_who_leaves_there() -> None:
    macs = {"junction_1": [2, 10], "router_1": [4]}
    objective = Distillation(macs, {"router_1": ["junction_1", 1]}, cost_weight=1.0, exit_weight=0.5)
    outputs = {name: each for name, each in drawn().items() if "logits" not in name}
    logits = RNG.normal(size=(BATCH, 2, CLASSES)).astype("float32")
    leaves = RNG.uniform(size=(BATCH, 1)).astype("float32")
    reach = np.concatenate([leaves, 1 - leaves], axis=1)
    outputs |= {"probabilities_exit_logits": logits, "junction_1": reach, "junction_1_scores": reach}
    objective.build(outputs)
    terms = objective(None, outputs)
    assert tuple(terms) == objective.names
    by_exit = divergence(np.log(outputs["whole_probabilities"])[:, None], logits)
    np.testing.assert_allclose(terms["distillation_loss"], (reach * by_exit).sum(axis=1).mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["exits_loss"], 0.5 * by_exit.mean(), rtol=1e-4)
    executed = (2 * reach[:, 0] + 10 * reach[:, 1] + 4 * reach[:, 1] * outputs["router_1"][:, 0]) / 16
    np.testing.assert_allclose(terms["cost_loss"], executed.mean(), rtol=1e-5)


def test_labels_are_read_where_they_have_a_weight() -> None:
    outputs, labels = drawn(), np.array([0, 1, 2, 0])
    assert not Distillation(MACS).reads_classes
    terms = Distillation(MACS, label_weight=2.0)(labels, outputs)
    expected = -2.0 * np.log(softmax(outputs["logits"])[np.arange(BATCH), labels]).mean()
    np.testing.assert_allclose(terms["classification_loss"], expected, rtol=1e-5)


def test_the_gradient_is_that_of_the_student_alone() -> None:
    import tensorflow as tf

    outputs = {name: tf.Variable(each) for name, each in drawn().items()}
    with tf.GradientTape() as tape:
        loss = Distillation(MACS)(None, outputs)["distillation_loss"]
    of_student, of_teacher = tape.gradient(loss, [outputs["logits"], outputs["whole_logits"]])
    expected = (softmax(outputs["logits"].numpy()) - softmax(outputs["whole_logits"].numpy())) / BATCH
    np.testing.assert_allclose(of_student, expected, atol=1e-6)
    assert of_teacher is None


def test_gates_train_without_labels() -> None:
    copy, x = tf_routing.add_routing(own_net(), input_range=(0, 255)), images()
    whole = np.asarray(copy(x))
    objective = copy.default_objective()
    copy.get_layer("router_2").shift_thresholds(np.array([-0.8]))
    np.testing.assert_allclose(copy.answer_whole(x)["whole_probabilities"], whole, atol=1e-6)
    copy.compile("sgd", objective=objective)
    before = [np.array(keras.ops.convert_to_numpy(weight)) for weight in copy.weights]
    logs = copy.fit(x, batch_size=3, verbose=0).history
    assert {"distillation_loss", "cost_loss", "execution_rate", "agreement"} <= set(logs)
    trained = {id(weight) for weight in copy.trainable_weights}
    for weight, old in zip(copy.weights, before, strict=True):
        assert id(weight) in trained or np.array_equal(keras.ops.convert_to_numpy(weight), old)
    biases = copy.get_layer("router_1").scores_layer.bias
    assert not np.array_equal(keras.ops.convert_to_numpy(biases), [np.log(0.7 / 0.3), 0])
