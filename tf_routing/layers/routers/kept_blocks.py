"""Baselines of trained routers: rules that choose which blocks run without looking at the image."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.tensors import Tensor
from tf_routing.layers.routers.replica_draws import uniform_rows
from tf_routing.support.validation import one_of, positive_integer, seed_or_none

RULES = ("first", "random", "distributed")


@keras.saving.register_keras_serializable(package="tf_routing")
class KeptBlocks(keras.layers.Layer):
    """Keeps a fixed number of a network's blocks by rule: the baselines that trained routers are compared with.

    Equation:
        s_b = 1 if b <= K else 0                                    `rule` "first"
        s_b = 1 if rank(u_b) <= K else 0, u_b ~ U(0, 1)             `rule` "random"
        s_b = 1 if b is among the first k_t of its stage t else 0   `rule` "distributed"

        with s_b (B, 1) the switch of block b and K = `keep`; u_b is drawn for every sample, and rank counts from the
        smallest. The k_t sum to K: stages of `stage_blocks` get one more block in turn until there are enough, so that
        12 of 15 blocks in three stages are 4, 4 and 4.

        The paper describes its "distributed" rule twice: by the caption of the table, which is used here, and in the
        text as predefined paths per class.

    Args:
        rule: `"first"`, `"random"` or `"distributed"`.
        stage_blocks: List of integers, the number of blocks by stage.
        keep: Integer, the number of blocks that run.
        seed: Integer, seed of `"random"`.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor whose first axis is the batch; its values are not read.

    Returns:
        List of one tensor `(batch, 1)` per block, 0 or 1.

    Raises:
        ValueError: If the rule is unknown, or `keep` is not between 1 and the number of blocks.

    Example:

    >>> switches = KeptBlocks("distributed", stage_blocks=[2, 2], keep=3)(keras.ops.zeros((1, 8)))
    >>> [float(each[0, 0]) for each in switches]
    [1.0, 1.0, 1.0, 0.0]

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, section 4.4, Table 4a.
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
        # Only where it is used: the state of a generator is a weight, and would be saved.
        self.draw_seed = keras.random.SeedGenerator(self.seed) if rule == "random" else None

    def call(self, inputs: Tensor) -> list[Any]:
        count = ops.shape(inputs)[0]
        if self.rule == "random":
            switches = self._draw(count)
        else:
            kept = ops.cast(self.keep_by_rule(), self.compute_dtype)
            switches = ops.ones((count, 1), dtype=self.compute_dtype) * kept
        return ops.split(switches, self.blocks, axis=-1)

    def _draw(self, count: Any) -> Any:
        # The blocks with the smallest of as many random numbers: all sets of that size are equally likely.
        drawn = uniform_rows((count, self.blocks), seed=self.draw_seed)
        order = ops.argsort(drawn, axis=-1)
        # Sorting the order gives ranks: `ops.top_k` would give indices, from which switches need a scatter.
        ranks = ops.argsort(order, axis=-1)
        return ops.cast(ranks < self.keep, self.compute_dtype)

    def keep_by_rule(self) -> np.ndarray:
        """Returns for every block whether a rule that draws nothing keeps it: `"first"` or `"distributed"`."""
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
