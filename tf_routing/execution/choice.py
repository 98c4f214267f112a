"""Chooses how the sparse executors run."""
from typing import Any


def block_method(block: Any, batch: int | None) -> str:
    if block.method != "auto":
        return block.method
    if batch == 1:
        return "switch"
    return "patterns" if len(block.sub_blocks) > 1 else "rows"
