"""With oneDNN on and off: empty batches and parts that nobody chose compute what masked execution computes.

With it on, a convolution of no rows returns the shape of its input. Whether it is on by default depends on the
processor, and a process decides once, so each setting has a process of its own.
"""

import json
from typing import Any

import pytest

from tests.conformance.subjects import finish, start_python

_RUN = """
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tests.execution.split_nets import CLASSES, images, masked, mixed_net, relative, rows_run
from tf_routing import export

differences = {}


def compare(key, model, call):
    for count in (0, 1, 5):
        found = np.asarray(call(tf.constant(images(count))))
        assert found.shape == (count, CLASSES), (key, found.shape)
        differences[f"{key} {count}"] = relative(found, masked(model, images(count)))


def nets():
    yield "identity 0", mixed_net(2, "identity", rate=0)
    yield "projection 0", mixed_net(2, "projection", rate=0, depthwise=True)
    yield "projection 0.5", mixed_net(2, "projection", depthwise=True)
    # One sub-block is forced on where there is no shortcut, so nobody is left for the other.
    model = mixed_net(2, None, depthwise=True)
    for number in (1, 2):
        model.get_layer(f"controller_{number}").shift_thresholds(np.array([100.0, -100.0]))
    yield "none", model


for name, model in nets():
    for method in ("patterns", "rows"):
        model.set_execution("sparse", method)
        compare(f"{name} {method} eager", model, lambda x: model(x, training=False))
        if name == "projection 0":
            run = tf.function(lambda x: model(x, training=False), [tf.TensorSpec((None, *model.input_shape[1:]))])
            compare(f"{name} {method} graph", model, run)
    rows_run(model)
    model(images(5), training=False)
    print(name, rows_run(model).tolist())
    if name == "none":
        export(model, Path(sys.argv[1]) / name)
        served = tf.saved_model.load(str(Path(sys.argv[1]) / name)).signatures["serving_default"]
        compare(f"{name} exported", model, lambda x: served(images=x)["probabilities"])
print(json.dumps(differences))
"""


# With it off, convolutions of no rows are what one expects: `test_sparse.py` runs empty batches on processors where
# that is the default, and on others `make heavy` does.
@pytest.fixture(scope="module", params=[pytest.param("0", marks=pytest.mark.heavy), "1"])
def printed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return finish(
        start_python(_RUN, tmp_path_factory.mktemp("exports"), TF_ENABLE_ONEDNN_OPTS=request.param)
    ).splitlines()


def test_sparse_equals_masked(printed: list[str]) -> None:
    differences: dict[str, Any] = json.loads(printed[-1])
    assert len(differences) == 3 * (4 * 2 + 2 + 1)
    assert {key: value for key, value in differences.items() if not value <= 1e-5} == {}


def test_nobody_chose_some_of_these_parts(printed: list[str]) -> None:
    rows = [line for line in printed if line.startswith(("projection 0 ", "identity 0 ", "none "))]
    assert rows == [
        "identity 0 [[0.0, 0.0], [0.0, 0.0]]",
        "projection 0 [[0.0, 0.0], [0.0, 0.0]]",
        "none [[5.0, 0.0], [5.0, 0.0]]",
    ]
