"""An exported net answers as the net itself, for batches of any size: probabilities, decisions and executed MACs."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import disturb, draw_scores, rich_model, small
from tests.graph_operations import operations
from tf_routing import calibrate, export
from tf_routing.execution import gated_blocks
from tf_routing.models import RoutedModel

COUNT = 12
NETS = ["basecnn_2cp", "rich"]
# Each net and each kind of export once; `make heavy` adds the other two pairs.
DEFAULT = [("rich", False), ("basecnn_2cp", True)]
# The other builders, one name each: exports of deep networks take up to a minute.
SLOW = ["resnet20_2cc", "resnet50_2cc", "mobilenetv2", "basecnn_ensemble3", "dmnn50_cifar_n2", "dmnn_mobilenetv2_n2"]
SLOW += ["drn_resnet32", "decide_chain8", "short_act", "short_sact"]


PAIRS = [(name, freeze) for name in (*NETS, *SLOW) for freeze in (False, True)]


def net(name: str) -> tuple[RoutedModel, np.ndarray]:
    """A disturbed net and images, on half of which each gate opens."""
    keras.utils.set_random_seed(1)
    model = rich_model() if name == "rich" else small(name)
    disturb(model)
    draw_scores(model)
    x = np.random.default_rng(2).uniform(size=(COUNT, *model.input_shape[1:])).astype("float32")
    if gated_blocks(model):
        calibrate(model, x, rate=0.5)
    return model, x


@pytest.mark.parametrize(
    ("name", "freeze"), [pair if pair in DEFAULT else pytest.param(*pair, marks=pytest.mark.heavy) for pair in PAIRS]
)
def test_an_export_answers_as_the_net(name: str, freeze: bool, tmp_path: Path) -> None:
    model, x = net(name)
    export(model, tmp_path / name, freeze=freeze)
    signatures = tf.saved_model.load(str(tmp_path / name)).signatures
    assert ("ReadVariableOp" in operations(signatures["serving_default"])) != freeze
    model.execution = "masked"
    expected, decisions, costs = np.asarray(model(x)), model.routes(x), model.cost(x)
    assert len(set(costs)) > 1 if gated_blocks(model) else set(costs) == {model.static_cost}
    for count in (0, 1, COUNT):
        answer = signatures["serving_default"](images=tf.constant(x[:count]))
        np.testing.assert_allclose(answer["probabilities"], expected[:count], rtol=1e-4, atol=1e-5)
        routes = dict(signatures["routes"](images=tf.constant(x[:count])))
        macs = routes.pop("macs")
        assert macs.dtype == tf.int64
        np.testing.assert_array_equal(macs, costs[:count])
        assert set(routes) == {key.replace("/", "_") for key in decisions}
        for key, values in decisions.items():
            found = routes[key.replace("/", "_")]
            np.testing.assert_allclose(found, values[:count], rtol=1e-4, atol=1e-5, err_msg=key)
