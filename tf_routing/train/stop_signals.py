"""Ctrl-C and SIGTERM end a run after the current step, so that it can be continued."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """Raised where SIGTERM ends a run, as `KeyboardInterrupt` is for Ctrl-C."""

    exit_status = 128 + signal.SIGTERM


class StoppedAfterStep(Exception):
    """Raised by the training loop where it stops because it was asked to, all of it consistent.

    Args:
        epoch: Integer, epochs that are finished.
        step: Integer, steps that are done, those of all epochs.
    """

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(f"Stopped at step {step}.")
        self.epoch, self.step = epoch, step


class StopSignals:
    """A context in which the first Ctrl-C or SIGTERM may be a wish, and a second one stops at once.

    Outside of `deferred` a signal raises at once, `KeyboardInterrupt` or `Terminated`, so that what is being written
    is cleaned up. Handlers are those of before when the context ends; threads other than the main one have none.

    Example:

    >>> with StopSignals() as signals, signals.deferred():
    ...     signals.wished()
    False
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._defers = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first, self._received = self._received is None, number
        if not (first and self._defers):
            self.stop()
        print("\nStopping after this step; Ctrl-C again stops at once.", file=sys.stderr, flush=True)

    def wished(self) -> bool:
        """Returns whether a signal arrived."""
        return self._received is not None

    def stop(self, explained: bool = False) -> None:
        """Raises what the signal that arrived stands for, `KeyboardInterrupt` where none did.

        Args:
            explained: Boolean, whether a message has said already what that means.
        """
        stop = (Terminated if self._received == signal.SIGTERM else KeyboardInterrupt)()
        stop.explained = explained  # type: ignore[attr-defined]
        raise stop

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Makes the first signal a wish within the context; one that nobody granted stops at its end."""
        self._defers = True
        try:
            yield
        finally:
            self._defers = False
        if self.wished():
            self.stop()
