"""What TensorFlow makes of a graph is compared with the network, and told where it is something else."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import tf_routing
from tests import exit_net, gated_net, skip_net
from tests.conformance.subjects import finish, start_python
from tf_routing.exporting.verification import warn_of_difference

NETS = {"drn": skip_net.skip_model, "dmnn": gated_net.gated_model, "decide": exit_net.exit_model}
_LEAKY = """
import sys
import warnings

import keras

import tf_routing

image = keras.Input((8, 8, 3))
x = keras.layers.Conv2D(3, 3, padding="same", bias_initializer="normal")(image)
x = keras.layers.LeakyReLU(negative_slope=float(sys.argv[2]))(keras.layers.Add()([x, image]))
answers = keras.layers.Dense(4, "softmax", kernel_initializer="normal")(keras.layers.Flatten()(10 * x))
model = tf_routing.RoutedModel(image, answers, name="leaky")
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    tf_routing.export(model, sys.argv[1])
print([str(each.message)[:60] for each in told if "as SavedModel" in str(each.message)])
"""


@pytest.mark.parametrize("family", NETS)
def test_nothing_is_told_of_a_graph_that_computes_the_same(family: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        tf_routing.export(NETS[family](), tmp_path / "net")


@pytest.mark.parametrize("size", [1e-3, np.nan])
def test_a_difference_is_told(size: float) -> None:
    model = skip_net.skip_model()
    model.execution = "sparse"
    with pytest.warns(UserWarning, match=r"as SavedModel differs by .* TensorFlow joins operations of graphs"):
        warn_of_difference(model, lambda x: np.asarray(model(x)) + size, "SavedModel")
    assert model.execution == "sparse"


@pytest.mark.parametrize(("slope", "is_told"), [(0.5, True), (0.2, False)])
def test_a_slope_that_onednn_forgets_is_told(slope: float, is_told: bool, tmp_path: Path) -> None:
    printed = finish(start_python(_LEAKY, tmp_path / "net", slope, TF_ENABLE_ONEDNN_OPTS="1"))
    assert printed.startswith("['leaky as SavedModel differs" if is_told else "[]")
