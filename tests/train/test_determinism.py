"""Training gives the same bits every time, at full width too, where TensorFlow rewrites graphs."""

import json
import re
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from tests.conformance.subjects import ROOT, finish, start_python
from tests.train.kill_harness import differences, killed_run, whole_run
from tf_routing import data
from tf_routing.train import fit, training_task
from tf_routing.train.determinism import make_deterministic
from tf_routing.train.recipes.recipe import load_recipe

# A process of its own: determinism, once enabled, stays for all tests that follow.
_GRADIENTS = """
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tf_routing import zoo

name, batch, calls, setting = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
exec(setting)
keras.utils.set_random_seed(0)
model = zoo.get(name)
model.compile("sgd")
images = tf.constant(np.random.default_rng(0).random((batch, *model.input_shape[1:])), "float32")
labels = np.arange(batch) % 10
seeds = [each for each in model.variables if "seed" in each.path]
first = [np.asarray(each) for each in seeds]


@tf.function
def gradients(images):
    with tf.GradientTape() as tape:
        outputs = model(images, training=True, return_outputs=True)
        loss = model.compute_loss(x=images, y=labels, y_pred=outputs, training=True)
    return [loss, *(each for each in tape.gradient(loss, model.trainable_variables) if each is not None)]


def digest():
    # Noise is drawn anew in every step, as it should.
    for seed, state in zip(seeds, first, strict=True):
        seed.assign(state)
    return hashlib.sha256(b"".join(each.numpy().tobytes() for each in gradients(images))).hexdigest()


folder = Path(tempfile.mkdtemp())
with tf.summary.create_file_writer(str(folder)).as_default():
    tf.summary.trace_on(graph=True)
    digests = {digest()}
    tf.summary.trace_export("step", 0)
records = tf.data.TFRecordDataset([str(file) for file in folder.iterdir()])
events = [tf.compat.v1.Event.FromString(each.numpy()) for each in records]
texts = [text for event in events for value in event.summary.value for text in value.tensor.string_val]
graphs = [each for text in texts for each in tf.compat.v1.RunMetadata.FromString(text).function_graphs]
executed = [node.op for graph in graphs for node in graph.post_optimization_graph.node]
digests |= {digest() for _ in range(calls - 1)}
print(json.dumps([executed.count("AddN"), executed.count("TemporaryVariable"), len(digests)]))
"""


def _documented_lines() -> str:
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    return re.findall(r"test_determinism\.py -->\n```python\n(.*?)```", text, flags=re.DOTALL)[0]


_OURS = "from tf_routing.train.determinism import make_deterministic; make_deterministic()"
_OP_DETERMINISM = "tf.config.experimental.enable_op_determinism()"


def sums(name: str, batch: int, calls: int, setting: str) -> Any:
    """Counts sums in the executed graph of a net's gradients, sums that nothing orders, and different results."""
    code = start_python(_GRADIENTS, name, batch, calls, setting, KERAS_BACKEND="tensorflow", TF_ENABLE_ONEDNN_OPTS="1")
    return json.loads(finish(code).splitlines()[-1])


def test_a_full_width_net_has_the_same_gradients_from_call_to_call() -> None:
    ordered, unordered, results = sums("resnet20_2cc", 64, 6, _OURS)
    assert (ordered > 20, unordered, results) == (True, 0, 1)


def test_users_are_told_to_set_what_fit_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: called.append("op determinism"))
    monkeypatch.setattr(tf.config.optimizer, "set_experimental_options", called.append)
    exec(_documented_lines(), {"tf": tf})
    documented, called[:] = list(called), []

    class Reached(Exception):
        """What is set is set before anything is built."""

    def built(*_: Any, **__: Any) -> Any:
        raise Reached

    monkeypatch.setattr(training_task, "build_network", built)
    for deterministic in (False, True):
        with pytest.raises(Reached):
            fit.fit("basecnn", data.load("digits"), load_recipe("quick"), Path("never"), deterministic=deterministic)
        assert bool(called) == deterministic
    assert called == documented == ["op determinism", {"disable_meta_optimizer": True}]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "batch"),
    [("basecnn_2cc", 128), ("resnet20_2cc", 64), ("drn_resnet32", 64), ("dmnn50_cifar_n2", 16), ("decide_chain8", 128)],
)
def test_gradients_of_each_family_from_call_to_call(name: str, batch: int) -> None:
    ordered, unordered, results = sums(name, batch, 12, _OURS)
    assert (ordered > 0, unordered, results) == (True, 0, 1)


# If TensorFlow orders them one day, what is set above can go.
@pytest.mark.heavy
def test_op_determinism_alone_does_not_order_sums() -> None:
    assert sums("resnet20_2cc", 64, 1, _OP_DETERMINISM)[1] > 0


_FAMILIES = {
    "basecnn_2cc": (128, 2),
    "resnet20_2cc": (64, 2),
    "drn_resnet32": (64, 2),
    "dmnn50_cifar_n2": (16, 2),
    "decide_chain8": (128, 2),
}
_FEW = """
import sys

from tf_routing import data
from tf_routing.train import fit
from tf_routing.cli.main import main

load, count = data.load, int(sys.argv[1])


def few(*arguments):
    whole = load(*arguments)
    first = {name: part._replace(images=part.images[:count], labels=part.labels[:count])
             for name, part in (("train", whole.train), ("test", whole.test))}
    return whole._replace(**first)


fit.data.load = few
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.heavy
@pytest.mark.parametrize("name", _FAMILIES)
def test_three_runs_and_five_kills_at_full_width(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    batch, steps = _FAMILIES[name]
    words = ["--model", name, "--batch_size", str(batch), "--epochs", "6", "--deterministic", "--seed", "4"]
    words += ["--checkpoint_every", "1"]
    program = ["-c", _FEW, str(batch * steps)]
    for run in ("one", "two", "three"):
        whole_run(tmp_path / run, words, program)
    killed_run(tmp_path / "killed", words, kills=5, seed=2, program=program)
    kills = json.loads((tmp_path / "killed" / "run.json").read_text("utf-8"))["continued_at_step"]
    assert len(kills) > 2
    for run in ("two", "three", "killed"):
        assert differences(tmp_path / "one", tmp_path / run) == []


@pytest.mark.heavy
def test_two_runs_on_jax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    words = ["--model", "basecnn_2cc", "--batch_size", "128", "--epochs", "2", "--deterministic", "--seed", "4"]
    for run in ("one", "two"):
        whole_run(tmp_path / run, words, ["-c", _FEW, "256"])
    assert differences(tmp_path / "one", tmp_path / "two") == []


def test_jax_on_a_gpu_must_have_been_asked_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=false")
    with pytest.raises(ValueError, match="`deterministic` needs XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        make_deterministic()
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x --xla_gpu_deterministic_ops=true")
    make_deterministic()
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    make_deterministic()
