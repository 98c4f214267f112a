"""Training loops that run in one process, one at a time, an epoch each in turn."""

import threading
from collections.abc import Callable
from typing import Any


class Loop:
    """A training loop on a thread of its own, which goes on for one epoch whenever it is its turn.

    A loop that ran as a function would be traced and compiled anew in every round.

    Args:
        train: Trains for all epochs; is given this object, and calls `begin` and `end` around each epoch.
    """

    def __init__(self, train: Callable[["Loop"], Any]) -> None:
        self._may_run, self._has_run = threading.Semaphore(0), threading.Semaphore(0)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(train,), daemon=True)

    def _run(self, train: Callable[["Loop"], Any]) -> None:
        try:
            train(self)
        except Exception as error:
            self._error = error
            self._has_run.release()

    def turn(self, number: int = 0) -> None:
        """Lets the loop run for one epoch, and waits for its end."""
        if self._thread.ident is None:
            self._thread.start()
        self._may_run.release()
        self._has_run.acquire()
        if self._error is not None:
            raise self._error

    def begin(self) -> None:
        """Waits for this loop's turn."""
        self._may_run.acquire()

    def end(self) -> None:
        """Says that the epoch is over."""
        self._has_run.release()

    def join(self) -> None:
        """Waits for the end of the loop, after its last turn."""
        self._thread.join(60)


def callback(loop: Loop) -> Any:
    """Returns the Keras callback that makes a loop take turns; between an epoch's begin and end it does nothing."""
    import keras

    class Turns(keras.callbacks.Callback):
        """Begins and ends with the epoch."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            loop.begin()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            loop.end()

    return Turns()
