"""Keras callbacks of a training run: log, checkpoints, TensorBoard events, route counts, a stop at NaN."""

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from tf_routing.core.private_apis import flush_events
from tf_routing.evaluation.routing_statistics import distinct_routes
from tf_routing.support.files import explain_write_errors, whole_file
from tf_routing.train.checkpoint import Spent, metric_values, newest_checkpoint, save_checkpoint
from tf_routing.train.errors import not_finite

# Columns of the log, in the order of the fields of Spent.
_COLUMNS = ("epoch_seconds", "processor_seconds")


def logged_time(path: Path) -> Spent:
    """Returns what the epochs in a `log.csv` took together, whatever stopped the run between them."""
    if not path.exists():
        return Spent()
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    # Rows that an earlier version wrote hold no processor time.
    columns = [[float(row.get(name) or 0) for row in rows] for name in _COLUMNS]
    return Spent(*(round(sum(column), 1) for column in columns))


class StopAtNotFinite(keras.callbacks.Callback):
    """Stops a run after the step whose loss, or a term of it, is NaN or infinite.

    Comes before whatever writes checkpoints.

    Args:
        newest: Returns the last checkpoint, `None` where there is none.
        steps_per_epoch: Integer.
    """

    def __init__(self, newest: Callable[[], Path | None], steps_per_epoch: int) -> None:
        super().__init__()
        self.newest, self.steps_per_epoch = newest, steps_per_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Learns which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the means of the epoch so far: one that was not finite once stays so."""
        found = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if found:
            raise not_finite(self.epoch * self.steps_per_epoch + batch + 1, found, self.newest())


class EpochLog(keras.callbacks.Callback):
    """Keeps `log.csv`: one row per finished epoch, also across continued runs.

    Args:
        path: The file.
        epochs_done: Integer; rows beyond it, of an epoch that was not checkpointed, are dropped.
        steps_per_epoch: Integer.
        before: What the epoch that goes on took before.
    """

    def __init__(
        self,
        path: Path,
        epochs_done: int,
        steps_per_epoch: int,
        before: Spent = Spent(),  # noqa: B008 - a named tuple cannot change
    ) -> None:
        super().__init__()
        self.path, self.steps_per_epoch, self.before = path, steps_per_epoch, before
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= epochs_done]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the epoch's clocks."""
        self.started = _clocks()

    def spent(self) -> Spent:
        """Returns what the epoch took so far, in pieces or not."""
        return Spent(*(b + now - s for b, now, s in zip(self.before, _clocks(), self.started, strict=True)))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the epoch's row and writes the file whole."""
        steps = (epoch + 1) * self.steps_per_epoch
        times = dict(zip(_COLUMNS, (round(each, 3) for each in self.spent()), strict=True))
        self.before = Spent()
        self.rows.append({"epoch": epoch + 1, "step": steps, **(logs or {}), **times})
        with explain_write_errors(self.path), whole_file(self.path) as temporary:
            _write_rows(temporary, self.rows)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    # Columns of all rows: phases of a run log different terms.
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)


def _clocks() -> Spent:
    return Spent(time.perf_counter(), time.process_time())


class RouteCount(keras.callbacks.Callback):
    """Logs `distinct_routes`, the number of different routes that images take, after every epoch.

    Args:
        batches: `tf.data.Dataset` of batches of images, with or without labels.
        plain: Returns the model to look at; the one that trains where not given.
    """

    def __init__(self, batches: Any, plain: Callable[[], Any] | None = None) -> None:
        super().__init__()
        self.batches, self.plain = batches, plain

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts, and adds the number to the logs that later callbacks see."""
        if logs is not None:
            model = self.plain() if self.plain else self.model
            logs["distinct_routes"] = distinct_routes(model.routes(self.batches))


class EventLog(keras.callbacks.TensorBoard):
    """TensorBoard's, with each finished epoch on disk before its checkpoint is: a run that is killed lacks none."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the epoch's events."""
        super().on_epoch_end(epoch, logs)
        flush_events(self)


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, and after every so many steps.

    Args:
        folder: Where checkpoints live.
        steps_per_epoch: Integer.
        every: Integer, steps between checkpoints within epochs; 0 for none.
        spent: Returns what the unfinished epoch took so far.
        strategy: The `tf.distribute.Strategy` of the model, `None` for one device.
        writes: Boolean; of several hosts one writes, the others only give it their values.
    """

    def __init__(
        self,
        folder: Path,
        steps_per_epoch: int,
        every: int = 0,
        spent: Callable[[], Spent] = Spent,
        strategy: Any = None,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.folder, self.steps_per_epoch, self.every = folder, steps_per_epoch, every
        self.spent, self.strategy, self.writes = spent, strategy, writes

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Learns which epoch it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves the unfinished epoch, where it is time to; the epoch's end comes with a checkpoint anyway."""
        step = self.epoch * self.steps_per_epoch + batch + 1
        if self.every and step % self.every == 0 and batch + 1 < self.steps_per_epoch:
            self.save_within(step)

    def save_within(self, step: int) -> None:
        """Saves the unfinished epoch after a step, counted over all epochs."""
        metrics = metric_values(self.model, self.strategy)
        if self.writes:
            save_checkpoint(self.model, self.folder, self.epoch, step, self.spent(), metrics)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves everything that continuing needs."""
        if self.writes:
            save_checkpoint(self.model, self.folder, epoch + 1, (epoch + 1) * self.steps_per_epoch)

    def newest(self) -> Path | None:
        """Returns the last checkpoint."""
        return newest_checkpoint(self.folder)
