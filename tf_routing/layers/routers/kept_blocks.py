"""Rules that choose which blocks run without looking at the image."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.layers.routers.replica_draws import uniform_rows
from tf_routing.support.validation import one_of, positive_integer, seed_or_none

RULES = ("first", "random", "distributed")


@keras.saving.register_keras_serializable(package="tf_routing")
class KeptBlocks(keras.layers.Layer):
    """Keeps a number of a network's blocks, by rule: what learnt routers are compared with.

    Args:
        rule: `"first"` keeps the first ones; `"distributed"` the first ones of each stage, one stage after the other
            getting one more until there are enough; `"random"` draws them anew for each sample.
        stage_blocks: List of integers, blocks of each stage.
        keep: Integer, blocks that run.
        seed: Integer, seed of `"random"`.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor whose first axis counts the samples.

    Returns:
        List of one tensor `(batch, 1)` per block, 0 or 1.

    Raises:
        ValueError: If the rule is not known, or `keep` is not between 1 and the number of blocks.

    Example:

    >>> switches = KeptBlocks("distributed", stage_blocks=[2, 2], keep=3)(keras.ops.zeros((1, 8)))
    >>> [float(each[0, 0]) for each in switches]
    [1.0, 1.0, 1.0, 0.0]

    Reference: Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, Table
    4a.
    """

    def __init__(
        self, rule: str, stage_blocks: Sequence[int], keep: int, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rule = one_of("rule", rule, RULES)
        self.stage_blocks = [positive_integer("stage_blocks", count) for count in stage_blocks]
        self.blocks = sum(self.stage_blocks)
        self.keep, self.seed = positive_integer("keep", keep), seed_or_none(seed)
        if keep > self.blocks:
            raise ValueError(f"`keep` must be at most {self.blocks}, the blocks there are. Received: keep={keep}")
        self.draw_seed = keras.random.SeedGenerator(self.seed) if rule == "random" else None

    def call(self, inputs: Any) -> list[Any]:
        count = ops.shape(inputs)[0]
        if self.rule == "random":
            switches = self._draw(count)
        else:
            kept = ops.cast(self._keep_by_rule(), self.compute_dtype)
            switches = ops.ones((count, 1), dtype=self.compute_dtype) * kept
        return ops.split(switches, self.blocks, axis=-1)

    def _draw(self, count: Any) -> Any:
        # The blocks with the smallest of as many random numbers: all sets of that size are equally likely.
        drawn = uniform_rows((count, self.blocks), seed=self.draw_seed)
        order = ops.argsort(drawn, axis=-1)
        ranks = ops.argsort(order, axis=-1)
        return ops.cast(ranks < self.keep, self.compute_dtype)

    def _keep_by_rule(self) -> np.ndarray:
        if self.rule == "first":
            return np.arange(self.blocks) < self.keep
        counts = [0] * len(self.stage_blocks)
        stage = 0
        while sum(counts) < self.keep:
            counts[stage] += counts[stage] < self.stage_blocks[stage]
            stage = (stage + 1) % len(counts)
        parts = [np.arange(size) < kept for size, kept in zip(self.stage_blocks, counts, strict=True)]
        return np.concatenate(parts)

    def compute_output_spec(self, inputs: Any) -> list[Any]:
        return [keras.KerasTensor((inputs.shape[0], 1), dtype=self.compute_dtype) for _ in range(self.blocks)]

    def get_config(self) -> dict[str, Any]:
        config = {"rule": self.rule, "stage_blocks": self.stage_blocks, "keep": self.keep, "seed": self.seed}
        return {**super().get_config(), **config}
