"""Which of the blocks that were found are to be skipped: all of them, or those that a user names."""

from collections.abc import Sequence

from tf_routing.support.validation import first_few, unknown
from tf_routing.transforms.routing.residual_blocks import Found, ResidualBlock

_LISTED = 4


def choose_blocks(found: Found, where: Sequence[str] | None, model_name: str) -> list[ResidualBlock]:
    """Returns the blocks that are to be skipped, in order of depth.

    Args:
        found: What was found in the network.
        where: Names of blocks, or of the layers that end them; all blocks that hold no others where not given.
        model_name: Name of the network, for errors.

    Raises:
        ValueError: If there is no block, a name is not known, or stands for one that cannot be skipped, or one block is
            inside of another.
    """
    if where is None:
        if not found.blocks:
            raise ValueError(
                f"`model` must have residual blocks, sums of a block's own input and what it makes of it. "
                f"{model_name!r} has none that can be skipped. {_describe(found)}"
            )
        return [block for block in found.blocks if not _blocks_inside(block, found.blocks)]
    if isinstance(where, str) or not where:
        raise ValueError(f"`where` must be a list of names of blocks. Received: where={where!r}")
    by_name = {name: block for block in found.blocks for name in block.names}
    alone = {each.name: each.reason for each in found.left_alone}
    for name in where:
        if name in alone:
            raise ValueError(f"`where` names {name!r}, which cannot be skipped: {alone[name]}.")
        if name not in by_name:
            raise ValueError(unknown("block", name, by_name))
    chosen = {by_name[name] for name in where}
    for block in chosen:
        inside = _blocks_inside(block, chosen)
        if inside:
            raise ValueError(f"`where` names {inside[0].name!r}, which is inside of {block.name!r}: name one of them.")
    return [block for block in found.blocks if block in chosen]


def _blocks_inside(block: ResidualBlock, blocks: Sequence[ResidualBlock] | set[ResidualBlock]) -> list[ResidualBlock]:
    return [each for each in blocks if each.sum in block.branch]


def _describe(found: Found) -> str:
    if not found.left_alone:
        return "It adds nothing anywhere."
    return f"Left alone: {first_few([str(each) for each in found.left_alone], _LISTED)}."
