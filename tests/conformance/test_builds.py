"""Every layer and every net builds: shapes, finite values, probabilities, stable names."""

import keras
import numpy as np
import pytest

from tests.conformance import subjects
from tests.conformance.subjects import BATCH, CLASSES, LAYERS, LEFT_OUT, MODELS, images, marked, small
from tf_routing import layers, models


def test_every_public_layer_is_a_subject() -> None:
    assert {subject.layer for subject in LAYERS.values()} == set(layers.__all__)


def test_subjects_that_are_named_are_in_the_zoo() -> None:
    named = {*LEFT_OUT, *subjects._HEAVY, *subjects._OWN, *(short.name for short in subjects.SHORT.values())}
    assert named - set(MODELS) == set()


@pytest.mark.parametrize("name", LAYERS)
def test_layer_returns_the_expected_shapes(name: str) -> None:
    subject = LAYERS[name]
    outputs = [np.asarray(output) for output in subject.call(subject.build(), subject.tensors())]
    assert [output.shape for output in outputs] == [(BATCH, *shape) for shape in subject.outputs]
    assert all(np.isfinite(output).all() for output in outputs)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_knows_its_shapes_before_it_sees_data(name: str) -> None:
    subject = LAYERS[name]
    outputs = subject.call(subject.build(), [keras.Input(shape) for shape in subject.inputs])
    assert [output.shape for output in outputs] == [(None, *shape) for shape in subject.outputs]


@pytest.mark.parametrize("name", marked(MODELS))
def test_net_returns_probabilities_and_names_its_layers_alike(name: str) -> None:
    model = small(name)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    assert [layer.name for layer in small(name).layers] == names
    probabilities = np.asarray(model(images(name), training=False))
    assert isinstance(model, models.RoutedModel)
    assert model.name == name
    assert model.output_shape == (None, CLASSES)
    assert probabilities.shape == (BATCH, CLASSES)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
