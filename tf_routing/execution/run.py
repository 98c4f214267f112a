"""What a model hands to its layers for one batch: settings, which maps may be overwritten, and means that are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from tf_routing.execution.carried_means import CarriedMeans
from tf_routing.execution.choice import block_method
from tf_routing.execution.settings import BACKENDS, Settings
from tf_routing.execution.static_rows import runs_in_buckets

IMAGE_SIZE = 224
"""Height and width of images that are not known: those of ImageNet, for which skipping was measured at that size."""


@dataclass(frozen=True, eq=False)
class Run:
    """One batch on its way through a model; a block that is called by itself makes one from its defaults.

    Args:
        settings: The model's settings. What they leave at `"auto"`, each block decides by its arguments.
        image_size: Integer, height and width in pixels of the images that the whole model sees, which tells how best to
            run.
        overwrites: For each block that may write into the maps that it reads, the block that made them; see
            `in_place.find_overwrites`. Not kept on the blocks: the same layers may be part of other models, in which
            other layers read between them.
        means: The channel means that blocks hand on, `None` where they do not.
        traces: The `shared_traces.SharedTraces` of the model, `None` where each block is traced by itself.

    Example:

    >>> Run(Settings("masked")).settings.execution
    'masked'
    """

    settings: Settings = field(default_factory=Settings)
    image_size: int = IMAGE_SIZE
    overwrites: Mapping[Any, Any] = field(default_factory=dict)
    means: CarriedMeans | None = None
    # Of TensorFlow alone, which is not there on other backends.
    traces: Any = None

    def settings_of(self, block: Any) -> Settings:
        """Returns how a block runs, by the model's settings and its arguments."""
        return self.settings.within(Settings(block.execution, block.method))

    def skips(self, block: Any, training: bool | None) -> bool:
        """Whether a block runs its parts only on the samples that chose them."""
        return not training and can_skip(self.settings_of(block).execution)

    def method_of(self, block: Any, batch: int | None) -> str:
        """Returns how a block that skips runs a batch of this size (`None`: known only when it runs)."""
        method = self.settings_of(block).method
        if runs_in_buckets(method, batch):
            return "buckets"
        return block_method(method, len(block.sub_blocks), self.image_size, batch)

    def may_overwrite(self, block: Any, batch: int | None) -> bool:
        """Whether a block may write into its input, for batches of this size (`None`: known only when it runs)."""
        before = self.overwrites.get(block)
        # Run in any other way, the block before may hand on what it was given.
        return before is not None and self.skips(before, False) and self.method_of(before, batch) == "rows"

    def find_means(self, block: Any, inputs: Any) -> list[Any]:
        """Returns the channel means of a block's input in a list, which is empty where they are not known or of no use.

        They are of use where what bypasses the block stays as it is.
        """
        known = self.means.find(inputs) if self.means is not None and block.keeps_what_it_bypasses else None
        return [] if known is None else [known]

    def keep_means(self, maps: Any, means: Sequence[Any]) -> None:
        """Keeps the channel means of a block's output, a list like that of `find_means`, for who reads it next."""
        if self.means is not None and means:
            self.means.keep(maps, *means)

    def is_overwritten(self, block: Any) -> bool:
        """Whether the next block writes into a block's output, which then must share its memory with nothing else."""
        return block in self.overwrites.values()


def can_skip(execution: str) -> bool:
    """Whether what is set to an execution skips at inference. In training nothing does: every part must learn."""
    return execution != "masked" and keras.backend.backend() in BACKENDS
