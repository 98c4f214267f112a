"""Exits learn from the whole network in closed steps: heads answer as it does, junctions know when."""

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import images, own_net
from tf_routing.transforms.routing.exit_training import train_exits


@pytest.fixture(scope="module")
def trained() -> tf_routing.RoutedModel:
    plain = own_net()
    # Answers that differ between images.
    plain.get_layer("predictions").kernel.assign(20 * plain.get_layer("predictions").kernel)
    model = tf_routing.add_routing(plain, "both", input_range=(0, 255))
    model.plain = keras.models.clone_model(plain)
    model.plain.set_weights(plain.get_weights())
    train_exits(model, images(300), folds=3, batch_size=100)
    return model


def test_a_head_answers_as_the_whole_network_does(trained: tf_routing.RoutedModel) -> None:
    x = images(400)[300:]
    means = keras.ops.mean(keras.Model(trained.input, trained.get_layer("b1_out").output)(x), axis=(1, 2))
    logits, expected = np.asarray(trained.get_layer("exit_1")(means)), np.asarray(trained.plain(x))
    assert len(set(expected.argmax(1))) > 1
    most = np.bincount(expected.argmax(1)).max() / len(x)
    assert np.mean(logits.argmax(1) == expected.argmax(1)) > (1 + most) / 2
    # The regression's optimum: the mean of its answers is the mean of its targets, as for every softmax with a bias.
    seen = images(300)
    means = keras.ops.mean(keras.Model(trained.input, trained.get_layer("b1_out").output)(seen), axis=(1, 2))
    answers = keras.ops.softmax(trained.get_layer("exit_1")(means))
    np.testing.assert_allclose(np.mean(answers, axis=0), np.mean(trained.plain(seen), axis=0), atol=5e-3)


def test_a_junction_begins_with_its_head(trained: tf_routing.RoutedModel) -> None:
    hidden, head = trained.get_layer("junction_1").hidden_layers[0], trained.get_layer("exit_1")
    np.testing.assert_array_equal(np.asarray(hidden.kernel)[:, :5], head.kernel)
    assert not np.asarray(hidden.kernel)[:, 5:].any()


def test_images_that_leave_first_are_those_that_agree_more(trained: tf_routing.RoutedModel) -> None:
    x = images(400)[300:]
    outputs = trained(x, training=False, return_outputs=True)
    scores, exits = (np.asarray(outputs[name]) for name in ("junction_1_scores", "probabilities_exit_logits"))
    agrees = exits[:, 0].argmax(1) == np.asarray(trained.plain(x)).argmax(1)
    order = np.argsort(scores[:, 1] - scores[:, 0])
    assert agrees[order[:50]].mean() > agrees[order[50:]].mean()


def test_the_body_stays(trained: tf_routing.RoutedModel) -> None:
    for layer in trained.plain.layers:
        if layer.name in {each.name for each in trained.layers} and layer.weights:
            for before, after in zip(layer.get_weights(), trained.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(before, after)


def test_what_has_no_such_exits_is_refused() -> None:
    with pytest.raises(ValueError, match="must have exits that `add_routing` added"):
        train_exits(tf_routing.add_routing(own_net(), input_range=(0, 255)), images())
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, 2, name="stem")(image)
    x = keras.layers.Dense(20, "softmax")(keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1)(x)))
    many = tf_routing.add_routing(keras.Model(image, x), "exit", exits=["stem"], input_range=(0, 1))
    with pytest.raises(ValueError, match="at most as many classes as hidden units in its junctions, 16.*20 classes"):
        train_exits(many, images())
