"""Where Keras is set to channels first, layers that would mistake one axis for another say so, and so does the zoo."""

from collections.abc import Iterator

import keras
import pytest

from tests.conformance.subjects import LAYERS
from tf_routing import zoo

_MESSAGE = "takes images and maps .*channels.*set_image_data_format.*'channels_first'"

# They compute each number by itself, hand whole maps to models that know their axes, or flatten all axes into one.
_WITHOUT_AXES = {"Gamma", "GroupedConv2D", "SkipBlock", "SplitBlock", "Junction"}


@pytest.fixture
def _channels_first() -> Iterator[None]:
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


_READERS = [
    name
    for name, each in LAYERS.items()
    if each.layer not in _WITHOUT_AXES and any(len(shape) == 3 for shape in each.inputs)
]


@pytest.mark.usefixtures("_channels_first")
@pytest.mark.parametrize("name", _READERS)
def test_a_layer_that_reads_maps_refuses(name: str) -> None:
    subject = LAYERS[name]
    with pytest.raises(ValueError, match=_MESSAGE):
        subject.call(subject.build(), [keras.KerasTensor((None, *shape)) for shape in subject.inputs])


@pytest.mark.usefixtures("_channels_first")
@pytest.mark.parametrize(
    "name", ["basecnn", "resnet20_2cc", "resnet50", "mobilenetv2", "dmnn50_cifar_n2", "drn_resnet32"]
)
def test_the_zoo_refuses(name: str) -> None:
    with pytest.raises(ValueError, match=rf"zoo.get\('{name}'\) {_MESSAGE}"):
        zoo.get(name)
