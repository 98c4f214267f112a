"""The figure of a network's structure, drawn from the network itself."""

from collections.abc import Sequence
from pathlib import Path

from tf_routing import analysis, zoo
from tf_routing.figures.figure_inputs import Shown


def structure(
    output: Path, folders: Sequence[str] = (), model: str | None = None, architecture: str | None = None
) -> None:
    """Draws the layers of each path of a network, and where routers join the paths.

    Args:
        output: Picture to write.
        folders: The folder of a run; without it there is a `model` or an `architecture`.
        model: A `.keras` file.
        architecture: A name of `zoo.list_models()`.

    Raises:
        ValueError: If there is not exactly one of the three, or images skip parts of the network.
        FileNotFoundError: If there is no such network.
    """
    if architecture is None:
        network = Shown(folders, model).load_network()[0]
    elif folders or model is not None:
        raise ValueError(f"`architecture` stands in place of a run or a `model`. Received: both, {architecture!r}")
    else:
        network = zoo.get(architecture)
    analysis.draw_structure(analysis.path_structure(network), output, f"Structure of {network.name}")
