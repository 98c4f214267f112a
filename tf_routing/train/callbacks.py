"""Keras callbacks of a training run."""

import csv
import time
from pathlib import Path
from typing import Any

import keras

from tf_routing.files import whole_file
from tf_routing.train.checkpoint import save_checkpoint
from tf_routing.train.gating import distinct_routes


def logged_seconds(path: Path) -> float:
    """Returns the seconds that the epochs in a `log.csv` took, whatever stopped the run between them."""
    if not path.exists():
        return 0.0
    with open(path, newline="") as file:
        return round(sum(float(row["epoch_seconds"]) for row in csv.DictReader(file)), 1)


class EpochLog(keras.callbacks.Callback):
    """Keeps `log.csv`: one row per finished epoch, also across continued runs.

    Args:
        path: The file.
        epochs_done: Integer; rows beyond it, of an epoch that was not checkpointed, are dropped.
        steps_per_epoch: Integer.
    """

    def __init__(self, path: Path, epochs_done: int, steps_per_epoch: int) -> None:
        super().__init__()
        self.path, self.steps_per_epoch = path, steps_per_epoch
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= epochs_done]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the epoch's clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the epoch's row and writes the file whole."""
        steps = (epoch + 1) * self.steps_per_epoch
        seconds = round(time.perf_counter() - self.started, 3)
        self.rows.append({"epoch": epoch + 1, "step": steps, **(logs or {}), "epoch_seconds": seconds})
        with whole_file(self.path) as temporary, open(temporary, "w", newline="") as file:
            # Of all rows: phases of a run log different terms.
            writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(key for row in self.rows for key in row)))
            writer.writeheader()
            writer.writerows(self.rows)


class RouteCount(keras.callbacks.Callback):
    """Logs `distinct_routes`, the number of different routes that images take, after every epoch.

    Args:
        batches: `tf.data.Dataset` of batches of images, with or without labels.
    """

    def __init__(self, batches: Any) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts, and adds the number to the logs that later callbacks see."""
        if logs is not None:
            logs["distinct_routes"] = distinct_routes(self.model.routes(self.batches))


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch.

    Args:
        folder: Where checkpoints live.
        steps_per_epoch: Integer.
    """

    def __init__(self, folder: Path, steps_per_epoch: int) -> None:
        super().__init__()
        self.folder, self.steps_per_epoch = folder, steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves everything that continuing needs."""
        save_checkpoint(self.model, self.folder, epoch + 1, (epoch + 1) * self.steps_per_epoch)
