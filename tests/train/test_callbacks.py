"""What a run's callbacks note of its epochs: the time that each took, in pieces or not."""

import csv
from pathlib import Path

import pytest

from tf_routing.train import callbacks
from tf_routing.train.callbacks import EpochLog, logged_time
from tf_routing.train.checkpoint import Spent


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds on the clock, of which processors work half."""
    now = [1000.0]
    monkeypatch.setattr(callbacks, "_clocks", lambda: Spent(now[0], now[0] / 2))
    return now


def test_what_an_epoch_took_before_counts_in_that_epoch_alone(tmp_path: Path, clock: list[float]) -> None:
    log = EpochLog(tmp_path / "log.csv", epochs_done=0, steps_per_epoch=5, before=Spent(100.0, 40.0))
    for epoch, seconds in enumerate((8.0, 6.0, 4.0)):
        log.on_epoch_begin(epoch)
        clock[0] += seconds
        log.on_epoch_end(epoch, {"loss": 1.0 + epoch})
        # What happens between epochs belongs to none.
        clock[0] += 50
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["epoch"]), int(row["step"]), float(row["loss"])) for row in rows] == [
        (1, 5, 1.0),
        (2, 10, 2.0),
        (3, 15, 3.0),
    ]
    assert [float(row["epoch_seconds"]) for row in rows] == [108.0, 6.0, 4.0]
    assert [float(row["processor_seconds"]) for row in rows] == [44.0, 3.0, 2.0]
    assert logged_time(tmp_path / "log.csv") == Spent(118.0, 49.0)


def test_rows_of_phases_that_log_other_terms_share_one_table(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "log.csv"
    for epoch, logs in enumerate(({"loss": 1.0, "cost_loss": 0.5}, {"loss": 0.8}, {"loss": 0.6})):
        # A run that goes on reads the rows of the epochs that are done, and drops those behind.
        log = EpochLog(path, epochs_done=min(epoch, 1), steps_per_epoch=5)
        log.on_epoch_begin(epoch)
        log.on_epoch_end(epoch, logs)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["loss"], row["cost_loss"]) for row in rows] == [("1", "1.0", "0.5"), ("3", "0.6", "")]
