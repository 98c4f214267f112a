"""One run of training: its parts, and how a phase of it is trained or continued."""

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any, Protocol

import keras

from tf_routing.data import Dataset, ImageSet
from tf_routing.data.batching.batches import add_drawn_inputs, evaluation_batches, training_batches
from tf_routing.data.batching.device_batches import DeviceBatches, DeviceTestSet
from tf_routing.data.images.picture_files import name_broken_files
from tf_routing.evaluation.routing_statistics import is_gated
from tf_routing.models import RoutedModel
from tf_routing.runs.run_record import write_record
from tf_routing.support.extras import describe_missing
from tf_routing.train.callbacks import Checkpoints, EpochLog, EventLog, RouteCount, StopAtNotFinite, logged_time
from tf_routing.train.checkpoint import Saved, Spent, restore_checkpoint
from tf_routing.train.distribution.devices import Devices
from tf_routing.train.epochs import EpochRange
from tf_routing.train.errors import explain_tensorflow_errors
from tf_routing.train.evaluation_copy import EvaluationCopy
from tf_routing.train.final_results import EVALUATION_BATCH
from tf_routing.train.phases import Phase
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.stop_signals import StoppedAfterStep, StopSignals
from tf_routing.train.throughput import Throughput


class Task(Protocol):
    """What a run trains, and what determines its result: a network, data, a recipe and a seed."""

    @property
    def dataset(self) -> Dataset:
        """What to train and test on, as the network sees it."""

    @property
    def recipe(self) -> Recipe:
        """How to train."""

    @property
    def seed(self) -> int:
        """The seed of weights, order and augmentation."""

    @property
    def steps(self) -> int:
        """The steps of an epoch."""

    def build_network(self) -> RoutedModel:
        """Builds the network, not yet compiled."""

    def compile_network(self, phase: Phase, model: RoutedModel) -> None:
        """Compiles it for a phase, with a new optimizer."""

    def describe(self) -> dict[str, Any]:
        """Returns `arguments` of the run's record: a folder's run continues where they are the same."""

    def save_results(self, model: RoutedModel, output: Path, record: dict[str, Any], parameters: int) -> None:
        """Saves the trained network, and writes what it is worth into the record."""


@dataclasses.dataclass(kw_only=True)
class TrainingRun:
    """What is trained, with what, and where it leaves what it did.

    Args:
        task: Network, data, recipe and seed.
        model: The network, built under the strategy's scope.
        measured: The copy of it that is evaluated.
        devices: What to train on.
        output: Folder of the run.
        record: What `run.json` holds.
        signals: The signals that stop the run.
        checkpoint_every: Integer, steps between checkpoints within epochs; 0 for none.
        count_routes: Boolean, whether the log shows how many routes the test images take.
    """

    task: Task
    model: RoutedModel
    measured: EvaluationCopy
    devices: Devices
    output: Path
    record: dict[str, Any]
    signals: StopSignals
    checkpoint_every: int = 0
    count_routes: bool = False

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.output / "checkpoints"

    @property
    def verbosity(self) -> int:
        """How much Keras prints of each epoch."""
        # A bar that redraws is for terminals; a log file gets one line per epoch, of one host.
        return (1 if sys.stdout.isatty() else 2) if self.devices.writes else 0

    @property
    def compiles(self) -> bool:
        """Whether steps make their batches themselves, on JAX, of images that lie in the device's memory."""
        return keras.backend.backend() == "jax" and isinstance(self.task.dataset.train, ImageSet)

    def write_record(self) -> None:
        """Writes `run.json`, on the host that writes."""
        if self.devices.writes:
            write_record(self.output, self.record)


def train_phase(run: TrainingRun, phase: Phase, saved: Saved) -> None:
    """Trains a phase of a run, or goes on within it.

    Args:
        run: The run.
        phase: The phase; epochs of it that are finished count as its start.
        saved: How far the newest checkpoint is. It is restored where that reaches into the phase.
    """
    task, steps = run.task, run.task.steps
    goes_on = phase.start < saved.epochs_begun(steps)
    with run.devices.scope():
        task.compile_network(phase, run.model)
    run.measured.compile(lambda copy: task.compile_network(phase, copy))
    phase = phase._replace(start=max(phase.start, saved.epoch))
    done = max(0, saved.step - phase.start * steps)
    batches = _training_batches(run, phase)
    if goes_on:
        _restore(run, batches, within_epoch=done > 0)
    run.write_record()
    with explain_tensorflow_errors(), name_broken_files(task.dataset.train, task.dataset.test):
        _train(run, phase, batches, done, saved.spent if done else Spent())


def _restore(run: TrainingRun, batches: Any, within_epoch: bool) -> None:
    if within_epoch and run.compiles:
        from tf_routing.train import compiled_loop

        compiled_loop.build_metrics(run.model, batches)
    elif within_epoch:
        from tf_routing.train import loop

        loop.build_metrics(run.model, run.devices.strategy, batches.element_spec)
    with run.devices.scope():
        _, step = restore_checkpoint(run.model, run.checkpoints, run.devices.strategy)
    print(f"continuing at step {step}")
    run.record["continued_at_step"].append(step)


def _training_batches(run: TrainingRun, phase: Phase) -> Any:
    """Returns the batches of a phase from its start on, as one device sees them."""
    task, inputs = run.task, run.model.default_objective().drawn_inputs
    plan = task.recipe.batch_plan(task.dataset, task.seed, phase.end, phase.start)
    if run.compiles:
        return DeviceBatches(task.dataset.train, plan, inputs)
    return add_drawn_inputs(training_batches(task.dataset.train, plan), inputs, task.seed, phase.start * task.steps)


def _test_batches(run: TrainingRun) -> Any:
    batches = evaluation_batches(run.task.dataset.test, EVALUATION_BATCH)
    # The same draw every time, so that epochs compare.
    return add_drawn_inputs(batches, run.model.default_objective().drawn_inputs, run.task.seed)


def _train(run: TrainingRun, phase: Phase, batches: Any, done: int, before: Spent) -> None:
    tested = _test_batches(run)
    log = EpochLog(run.output / "log.csv", phase.start, run.task.steps, before)
    checkpoints = Checkpoints(
        run.checkpoints, run.task.steps, run.checkpoint_every, log.spent, run.devices.strategy, run.devices.writes
    )
    speed = Throughput(run.task.recipe.batch_size)
    callbacks = [speed, *_list_callbacks(run, tested, log, checkpoints)]
    try:
        if keras.backend.backend() == "tensorflow":
            _run_loop(run, phase, batches, done, tested, callbacks)
        elif run.compiles:
            _run_compiled(run, phase, batches, done, tested, callbacks)
        else:
            _run_keras_fit(run, phase, batches, tested, callbacks)
    except StoppedAfterStep as stop:
        checkpoints.save_within(stop.step)
        print(f"\nStopped at step {stop.step}, saved in {run.output}. The same command continues.", file=sys.stderr)
        run.signals.stop(explained=True)
    except KeyboardInterrupt as stop:
        print(f"\n{_explain_stop(run, checkpoints)}", file=sys.stderr)
        stop.explained = True  # type: ignore[attr-defined]
        raise
    finally:
        run.record |= {
            **logged_time(run.output / "log.csv")._asdict(),
            **speed.measured(run.model, run.devices.replicas),
        }
        run.write_record()


def _explain_stop(run: TrainingRun, checkpoints: Checkpoints) -> str:
    if checkpoints.newest() is None:
        return f"Stopped before the first checkpoint. The same command begins anew in {run.output}."
    return f"Stopped; the last checkpoint is in {run.output}. The same command continues."


def _list_callbacks(run: TrainingRun, tested: Any, log: EpochLog, checkpoints: Checkpoints) -> list[Any]:
    # The order matters: what is not finite is never saved, and a log is ahead of its checkpoint, never behind it.
    finite = StopAtNotFinite(checkpoints.newest, run.task.steps)
    if not run.devices.writes:
        return [finite, checkpoints]
    counts = run.count_routes and is_gated(run.model)
    return [
        finite,
        *([RouteCount(tested, run.measured.update)] if counts else []),
        log,
        *_list_event_logs(run.output / "tensorboard", tested, run),
        checkpoints,
    ]


def _list_event_logs(folder: Path, tested: Any, run: TrainingRun) -> list[Any]:
    # Where there is no TensorFlow, there are no events of it.
    if importlib.util.find_spec("tensorflow") is None:
        return []
    missing = describe_missing("tensorboard", "tensorboard", str(folder))
    if missing:
        print(missing)
        return []
    routing = []
    if run.model.decision_names:
        from tf_routing.train.routing_events import RoutingEvents

        routing.append(RoutingEvents(folder / "routing", tested, run.measured.update))
    return [*routing, EventLog(folder, write_graph=False)]


def _run_loop(run: TrainingRun, phase: Phase, batches: Any, done: int, tested: Any, callbacks: list[Any]) -> None:
    from tf_routing.train.distribution.lost_workers import explain_lost_workers
    from tf_routing.train.distribution.replica_batches import distribute
    from tf_routing.train.loop import train

    recipe, strategy = run.task.recipe, run.devices.strategy
    # Steps of the unfinished epoch are drawn and left out: they count in the order and the draws of later ones.
    batches = batches.skip(done) if done else batches
    with run.signals.deferred(), explain_lost_workers(strategy):
        train(
            run.model,
            distribute(batches, strategy, recipe.batch_size, recipe.copies),
            EpochRange(phase.end, run.task.steps, first_epoch=phase.start, first_step=done),
            **_loop_arguments(run, tested, callbacks),
        )


def _run_compiled(run: TrainingRun, phase: Phase, batches: Any, done: int, tested: Any, callbacks: list[Any]) -> None:
    from tf_routing.train.compiled_loop import CompiledEvaluation, train

    steps, arguments = run.devices.steps_per_execution, _loop_arguments(run, tested, callbacks)
    if steps > 1:
        test_set = DeviceTestSet(run.task.dataset.test, EVALUATION_BATCH, batches.inputs, run.task.seed)
        arguments["validate"] = CompiledEvaluation(run.model, test_set)
    with run.signals.deferred():
        train(
            run.model,
            batches,
            EpochRange(phase.end, run.task.steps, first_epoch=phase.start, first_step=done),
            steps_per_execution=steps,
            checkpoint_every=run.checkpoint_every,
            **arguments,
        )


def _loop_arguments(run: TrainingRun, tested: Any, callbacks: list[Any]) -> dict[str, Any]:
    return {
        "validate": lambda: run.measured.update().evaluate(tested, verbose=0, return_dict=True),
        "callbacks": callbacks,
        "verbose": run.verbosity,
        "stop_wished": run.signals.wished,
    }


def _run_keras_fit(run: TrainingRun, phase: Phase, batches: Any, tested: Any, callbacks: list[Any]) -> None:
    run.model.fit(
        batches,
        epochs=phase.end,
        initial_epoch=phase.start,
        steps_per_epoch=run.task.steps,
        shuffle=False,
        validation_data=tested,
        callbacks=callbacks,
        verbose=run.verbosity,
    )
