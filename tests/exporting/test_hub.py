"""TensorFlow Hub loads an export, from a folder and from an archive on a server, and trains it on."""

import functools
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.exporting.exported import images, tiny_net
from tf_routing import export
from tf_routing.exporting.archives import pack

_MISSING = [name for name in ("tensorflow_hub", "tf_keras") if importlib.util.find_spec(name) is None]
# Heavy: a process that imports TensorFlow, Keras 2 and the hub. By default `test_keras_layer.py` loads an export by
# `hub.load` and fine-tunes a layer of it, and `test_archives.py` looks at what an archive holds.
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(bool(_MISSING), reason=f"pip install 'tf_routing[hub]': no {', '.join(_MISSING)}"),
]

# A process of its own: the hub's layers are those of Keras 2, which a process chooses once.
_RUN = """
import json, sys
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras
assert "tf_routing" not in sys.modules
archive, folder, images = sys.argv[1:]
images = np.load(images)
answer = hub.load(archive)(tf.constant(images)).numpy()
tf.random.set_seed(1)
layer = hub.KerasLayer(folder, trainable=True)
net = tf_keras.Sequential([tf_keras.Input(images.shape[1:]), layer, tf_keras.layers.Dense(2, activation="softmax")])
trained, kept = layer.trainable_weights, layer.non_trainable_weights
before = [[each.numpy() for each in some] for some in (trained, kept)]
start = layer(images).numpy()
net.compile(tf_keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
losses = net.fit(images, np.arange(len(images)) % 2, epochs=3, verbose=0).history["loss"]
moved = [
    sum(bool(np.any(each.numpy() != old)) for each, old in zip(some, values))
    for some, values in zip((trained, kept), before)
]
changed = float(np.abs(layer(images).numpy() - start).max())
result = {"answer": answer.tolist(), "start": start.tolist(), "losses": losses, "moved": moved, "changed": changed}
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hub")
    model = tiny_net()
    export(model, path / "net")
    pack(path / "net", path / "served" / "net" / "1.tar.gz")
    np.save(path / "images.npy", images(4, (8, 8, 3)))
    np.save(path / "expected.npy", np.asarray(model(images(4, (8, 8, 3)))))
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    handler = functools.partial(Quiet, directory=str(folder / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.fixture(scope="module")
def result(folder: Path, server: str) -> dict[str, Any]:
    """What the hub loads from the server, and how a layer from the folder trains."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
    environment |= {"TF_USE_LEGACY_KERAS": "1", "TFHUB_CACHE_DIR": str(folder / "cache"), "no_proxy": "127.0.0.1"}
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        _RUN,
        f"{server}/net/1.tar.gz",
        folder / "net",
        folder / "images.npy",
    ]
    finished = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout.splitlines()[-1])


def test_an_archive_on_a_server_is_loaded(folder: Path, result: dict[str, Any]) -> None:
    np.testing.assert_allclose(result["answer"], np.load(folder / "expected.npy"), rtol=1e-4, atol=1e-5)


def test_a_layer_of_it_is_fine_tuned(folder: Path, result: dict[str, Any]) -> None:
    np.testing.assert_allclose(result["start"], np.load(folder / "expected.npy"), rtol=1e-4, atol=1e-5)
    assert result["losses"][-1] < result["losses"][0]
    trained, kept = result["moved"]
    assert trained > 0
    # The mean and the variance that batch normalisation keeps.
    assert kept == 2
    assert result["changed"] > 1e-4
