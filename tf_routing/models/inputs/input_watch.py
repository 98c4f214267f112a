"""What a model remembers of the images that it was given: whether a loop ran on any, and what was said of them."""

from typing import Any


class InputWatch:
    """The memory of one model; a plain object, which Keras does not save with it."""

    def __init__(self) -> None:
        # Whether the images of a first call were looked at.
        self.has_looked = False
        # Whether it was said, which is done once per model, that images lie far outside of [0, 1].
        self.has_warned = False
        # Whether the loop that runs has seen a batch.
        self.has_run = True
        # The first images of a dataset, from the thread that read them until they are looked at.
        self.shown: list[Any] = []

    def begin_loop(self) -> None:
        """Forgets what an earlier loop over batches saw."""
        self.has_run = False
        self.shown.clear()
