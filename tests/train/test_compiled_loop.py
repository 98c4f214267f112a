"""Steps that the device takes many at a time make the batches of NumPy, take Keras's steps, and go on bit for bit."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.snippets import run_snippet

_TRAIN = """
import json
import sys
from pathlib import Path

import jax
import keras
import numpy as np
from tests.gated_net import gated_model
from tf_routing.data import ImageSet
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.device_batches import DeviceBatches, DeviceTestSet
from tf_routing.data.batching.numpy_batches import EvaluationArrays, ExtraInputArrays, TrainingArrays
from tf_routing.train.checkpoint import metric_values, restore_checkpoint, run_variables, save_checkpoint
from tf_routing.train.compiled_loop import CompiledEvaluation, build_metrics, train
from tf_routing.train.epochs import EpochRange
from tf_routing.train.stop_signals import StoppedAfterStep

random = np.random.default_rng(3)
image_set = ImageSet(random.integers(0, 256, (22, 6, 6, 3)).astype("uint8"), np.arange(22) % 4)
test_set = ImageSet(random.integers(0, 256, (10, 6, 6, 3)).astype("uint8"), np.arange(10) % 4)
STEPS, PLAN = 5, {"batch_size": 4, "seed": 1, "epochs": 2, "shift": 2, "mirror": True}


def unequal_pixels(**options):
    plan = BatchPlan(**{**PLAN, **options})
    costs, done = {"cost": [0.0, 0.5, 1.0]}, plan.first_epoch * plan.count_steps(image_set)
    expected = ExtraInputArrays(TrainingArrays(image_set, plan), costs, plan.seed, done)
    batches = DeviceBatches(image_set, plan, costs)
    make, unequal = jax.jit(batches.make), 0
    for first in range(0, len(expected), 2):
        drawn = batches.draw(done + first, min(2, len(expected) - first), 3)
        for row in range(min(2, len(expected) - first)):
            (ours, our_labels), (theirs, labels) = (
                make(batches.held, {name: each[row] for name, each in drawn.items()}),
                expected[first + row],
            )
            pairs = (ours["image"], theirs["image"]), (ours["cost"], theirs["cost"]), (our_labels, labels)
            unequal += sum(int((np.asarray(a) != b).sum()) for a, b in pairs)
    return unequal


def compiled():
    model = gated_model()
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"])
    return model


def values(model):
    return copies(run_variables(model))


def copies(variables):
    # Seeds are whole numbers without a sign.
    return [np.asarray(variable).astype("float64") for variable in variables]


class Logs(keras.callbacks.Callback):
    def __init__(self):
        self.ends, self.epochs = [], []

    def on_train_batch_end(self, batch, logs):
        self.ends.append(batch)

    def on_epoch_end(self, epoch, logs):
        self.epochs.append({name: float(value) for name, value in logs.items()})


def train_on_device(model, span, **options):
    batches, logs = DeviceBatches(image_set, BatchPlan(**PLAN)), Logs()
    measure = CompiledEvaluation(model, DeviceTestSet(test_set, 4))
    train(model, batches, span, steps_per_execution=3, validate=measure, callbacks=[logs], **options)
    return logs


report = {
    "unequal": {
        "shifted": unequal_pixels(),
        "mirrored": unequal_pixels(shift=0),
        "in turn": unequal_pixels(alternate_mirror=True, copies=2),
        "by class": unequal_pixels(mirror=(True, False, True, False), fill="mean_light", copies=2, first_epoch=1),
    }
}
plain, whole = compiled(), compiled()
before = copies(plain.trainable_variables)
arrays, tested, logs = TrainingArrays(image_set, BatchPlan(**PLAN)), EvaluationArrays(test_set, 4), Logs()
plain.fit(
    arrays, epochs=2, steps_per_epoch=STEPS, shuffle=False, validation_data=tested, callbacks=[logs], verbose=0
)
ours = train_on_device(whole, EpochRange(2, STEPS))
moved = zip(before, copies(plain.trainable_variables), strict=True)
report["moved"] = max(float(np.abs(a - b).max()) for a, b in moved)
pairs = list(zip(values(plain), values(whole), strict=True))
report["apart"] = max(float(np.abs(a - b).max()) for a, b in pairs)
report["variables"] = [len(pairs), len(whole.objective_variables)]
report["logs"], report["keras_logs"], report["ends"] = ours.epochs, logs.epochs, ours.ends
stopped, folder = compiled(), Path(sys.argv[1])
calls = iter([False, True])
try:
    train_on_device(stopped, EpochRange(2, STEPS), checkpoint_every=2, stop_wished=lambda: next(calls))
except StoppedAfterStep as stop:
    report["stopped"] = [stop.epoch, stop.step]
    save_checkpoint(stopped, folder, stop.epoch, stop.step, metrics=metric_values(stopped))
stopped = compiled()
build_metrics(stopped, DeviceBatches(image_set, BatchPlan(**PLAN)))
epoch, step = restore_checkpoint(stopped, folder)
again = train_on_device(stopped, EpochRange(2, STEPS, epoch, step), checkpoint_every=2)
report["again"], report["again_ends"] = again.epochs, again.ends
report["equal"] = [bool(np.array_equal(a, b)) for a, b in zip(values(whole), values(stopped), strict=True)]
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    folder: Path = tmp_path_factory.mktemp("compiled_loop")
    return json.loads(run_snippet(_TRAIN, folder, backend="jax").splitlines()[-1])


@pytest.mark.parametrize("case", ["shifted", "mirrored", "in turn", "by class"])
def test_the_device_makes_the_images_of_numpy_bit_for_bit(report: dict[str, Any], case: str) -> None:
    assert report["unequal"][case] == 0


def test_it_takes_the_steps_of_keras(report: dict[str, Any]) -> None:
    assert report["moved"] > 0.01 and report["apart"] < 1e-5
    variables, objective_variables = report["variables"]
    assert variables > 30 and objective_variables > 0
    for ours, theirs in zip(report["logs"], report["keras_logs"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
        assert "val_accuracy" in ours and "category_loss" in ours


def test_calls_end_after_so_many_steps_and_with_the_epoch(report: dict[str, Any]) -> None:
    assert report["ends"] == [2, 4, 2, 4]
    # With a checkpoint at every second step of the run: after steps 2 and 4 (it stopped), then 5, 6, 8 and 10.
    assert report["stopped"] == [0, 4]
    assert report["again_ends"] == [4, 0, 2, 4]


def test_a_stopped_training_ends_with_the_bits_of_one_in_other_calls(report: dict[str, Any]) -> None:
    assert all(report["equal"]) and len(report["equal"]) == report["variables"][0]
    assert report["again"][-1] == report["logs"][-1]
