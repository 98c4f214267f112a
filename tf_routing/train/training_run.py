"""One run of training: its parts, and how a phase of it is trained or continued."""

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import keras

from tf_routing import data
from tf_routing.data.batching.batches import add_drawn_inputs, evaluation_batches, training_batches
from tf_routing.data.images.picture_files import name_broken_files
from tf_routing.evaluation.routing_statistics import is_gated
from tf_routing.models import RoutedModel
from tf_routing.runs.run_record import write_record
from tf_routing.train.callbacks import Checkpoints, EpochLog, EventLog, RouteCount, StopAtNotFinite, logged_time
from tf_routing.train.checkpoint import Saved, Spent, restore_checkpoint
from tf_routing.train.distribution.devices import Devices
from tf_routing.train.finishing import EVALUATION_BATCH
from tf_routing.train.phases import Phase, compile_for
from tf_routing.train.plain_twin import PlainTwin
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.stopping import StoppedAfterStep, StopSignals
from tf_routing.train.troubles import operations_explained


@dataclasses.dataclass
class TrainingRun:
    """What is trained, on what, how, and where it leaves what it did.

    Args:
        model: The network, built under the strategy's scope.
        plain: What it is measured with.
        dataset: What to train and test on.
        recipe: How to train.
        output: Folder of the run.
        seed: Integer, seed of order and augmentation.
        steps: Integer, steps per epoch.
        record: What `run.json` holds.
        devices: What to train on.
        checkpoint_every: Integer, steps between checkpoints within epochs; 0 for none.
        count_routes: Boolean, whether the log shows how many routes the test images take.
        signals: Who knows of Ctrl-C.
    """

    model: RoutedModel
    plain: PlainTwin
    dataset: data.Dataset
    recipe: Recipe
    output: Path
    seed: int
    steps: int
    record: dict[str, Any]
    devices: Devices
    checkpoint_every: int
    count_routes: bool
    signals: StopSignals

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.output / "checkpoints"

    def write_record(self) -> None:
        """Writes `run.json`, on the host that writes."""
        if self.devices.writes:
            write_record(self.output, self.record)


def train_phase(run: TrainingRun, phase: Phase, saved: Saved) -> None:
    """Trains a phase of a run, or goes on within it.

    Args:
        run: The run.
        phase: The phase; epochs of it that are finished count as its start.
        saved: What the newest checkpoint has behind it. It is restored where that reaches into the phase.
    """
    goes_on = phase.start < saved.epochs_begun(run.steps)
    with run.devices.scope():
        compile_for(phase, run.model, run.recipe, run.steps)
    run.plain.compile_for(phase, run.recipe, run.steps)
    phase = phase._replace(start=max(phase.start, saved.epoch))
    done = max(0, saved.step - phase.start * run.steps)
    batches = _batches(run, phase)
    if goes_on:
        _restore(run, batches, within_epoch=done > 0)
    run.write_record()
    # Steps of the unfinished epoch are drawn and left out: they count in the order and the draws of later ones.
    batches = batches.skip(done) if done else batches
    with operations_explained(), name_broken_files(run.dataset.train, run.dataset.test):
        _train(run, phase, batches, done, saved.spent if done else Spent())


def _restore(run: TrainingRun, batches: Any, within_epoch: bool) -> None:
    if within_epoch:
        from tf_routing.train.loop import build_metrics

        build_metrics(run.model, run.devices.strategy, batches.element_spec)
    with run.devices.scope():
        _, step = restore_checkpoint(run.model, run.checkpoints, run.devices.strategy)
    print(f"continuing at step {step}")
    run.record["continued_at_step"].append(step)


def _batches(run: TrainingRun, phase: Phase) -> Any:
    """Returns the batches of a phase from its start on, as one device sees them."""
    plan = run.recipe.batch_plan(run.dataset, run.seed, phase.end, phase.start)
    batches = training_batches(run.dataset.train, plan)
    return add_drawn_inputs(batches, run.model.default_objective().drawn_inputs, run.seed, phase.start * run.steps)


def _train(run: TrainingRun, phase: Phase, batches: Any, done: int, before: Spent) -> None:
    tested = evaluation_batches(run.dataset.test, EVALUATION_BATCH)
    # The same draw every time, so that epochs compare.
    tested = add_drawn_inputs(tested, run.model.default_objective().drawn_inputs, run.seed)
    log = EpochLog(run.output / "log.csv", phase.start, run.steps, before)
    checkpoints = Checkpoints(
        run.checkpoints, run.steps, run.checkpoint_every, log.spent, run.devices.strategy, run.devices.writes
    )
    callbacks = _callbacks(run, tested, log, checkpoints)
    try:
        if keras.backend.backend() == "tensorflow":
            _loop(run, phase, batches, done, tested, callbacks)
        else:
            run.model.fit(
                batches,
                epochs=phase.end,
                initial_epoch=phase.start,
                steps_per_epoch=run.steps,
                shuffle=False,
                validation_data=tested,
                callbacks=callbacks,
                verbose=_verbosity(run),
            )
    except StoppedAfterStep as stop:
        checkpoints.save_within(stop.step)
        print(f"\nStopped at step {stop.step}, saved in {run.output}. The same command continues.", file=sys.stderr)
        run.signals.stop(explained=True)
    except KeyboardInterrupt as stop:
        print(f"\n{_stopped(run, checkpoints)}", file=sys.stderr)
        stop.explained = True  # type: ignore[attr-defined]
        raise
    finally:
        run.record |= logged_time(run.output / "log.csv")._asdict()
        run.write_record()


def _stopped(run: TrainingRun, checkpoints: Checkpoints) -> str:
    if checkpoints.newest() is None:
        return f"Stopped before the first checkpoint. The same command begins anew in {run.output}."
    return f"Stopped; the last checkpoint is in {run.output}. The same command continues."


def _callbacks(run: TrainingRun, tested: Any, log: EpochLog, checkpoints: Checkpoints) -> list[Any]:
    """In this order: what is not finite is never saved, and a log is ahead of its checkpoint, never behind it."""
    finite = StopAtNotFinite(checkpoints.newest, run.steps)
    if not run.devices.writes:
        return [finite, checkpoints]
    counts = run.count_routes and is_gated(run.model)
    # Where there is no TensorFlow, there are no events of it.
    events = importlib.util.find_spec("tensorflow") is not None
    return [
        finite,
        *([RouteCount(tested, run.plain.current)] if counts else []),
        log,
        *([EventLog(run.output / "tensorboard", write_graph=False)] if events else []),
        checkpoints,
    ]


def _loop(run: TrainingRun, phase: Phase, batches: Any, done: int, tested: Any, callbacks: list[Any]) -> None:
    from tf_routing.train.distribution.lost_workers import lost_workers_explained
    from tf_routing.train.distribution.replica_batches import distributed
    from tf_routing.train.loop import train

    with run.signals.deferred(), lost_workers_explained(run.devices.strategy):
        train(
            run.model,
            distributed(batches, run.devices.strategy, run.recipe.batch_size, run.recipe.copies),
            strategy=run.devices.strategy,
            epochs=phase.end,
            steps_per_epoch=run.steps,
            first_epoch=phase.start,
            first_step=done,
            validate=lambda: run.plain.current().evaluate(tested, verbose=0, return_dict=True),
            callbacks=callbacks,
            verbose=_verbosity(run),
            stop_wished=run.signals.wished,
        )


def _verbosity(run: TrainingRun) -> int:
    # A bar that redraws is for terminals; a log file gets one line per epoch, of one host.
    return (1 if sys.stdout.isatty() else 2) if run.devices.writes else 0
