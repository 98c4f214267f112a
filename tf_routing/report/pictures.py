"""Test images that a report shows: which ones, as files inside the page, and the way that each took."""

import base64
import io
from typing import NamedTuple

import numpy as np

from tf_routing.analysis.gate_statistics import extreme_indices
from tf_routing.analysis.hard_routes import hard_routes
from tf_routing.analysis.routing_flow import routing_flows
from tf_routing.data.batching.batches import evaluation_batches
from tf_routing.evaluation.image_versions import images_at
from tf_routing.report.diagrams import (
    Diagram,
    block_diagram,
    flow_diagram,
    flow_values,
    list_choices,
    tree_diagram,
    tree_values,
)
from tf_routing.report.markup import readable, whole_percent
from tf_routing.report.measurement import Measurement

# Images of a group, at most; and sides in pixels up to which they stay as they are, and of what larger ones become.
_GROUP, _MOST_CLASSES, _SMALL, _SIDE = 12, 20, 64, 128
_BATCH = 256


class Group(NamedTuple):
    """Images that are shown side by side.

    Args:
        heading: What they have in common.
        indices: Which test images.
    """

    heading: str
    indices: list[int]


class Picture(NamedTuple):
    """A test image.

    Args:
        number: Integer, which one of the test images, from 0.
        address: A `data:` address of it.
        way: What it ran, in few words; empty for a network where all images run the same.
        values: Those of the marks of the diagrams, one list behind the other.
    """

    number: int
    address: str
    way: str
    values: list[float]


class Gallery(NamedTuple):
    """All images of a report.

    Args:
        groups: What is shown side by side; an image may be in several.
        pictures: By index of the test image.
        diagrams: What shows their way; none for a network where all images run the same.
    """

    groups: list[Group]
    pictures: dict[int, Picture]
    diagrams: list[Diagram]


def collect_gallery(measured: Measurement) -> Gallery:
    """Chooses test images and reads them, and the ways that they took."""
    groups = [group for group in choose_groups(measured) if group.indices]
    indices = sorted({index for group in groups for index in group.indices})
    images = images_at(evaluation_batches(measured.dataset.test, _BATCH), indices)
    diagrams, values = _find_ways(measured, indices, images)
    pictures = {
        index: Picture(index, encode_image(image), describe_way(measured, index), row)
        for index, image, row in zip(indices, images, values, strict=True)
    }
    return Gallery(groups, pictures, diagrams)


def choose_groups(measured: Measurement) -> list[Group]:
    """Returns which test images are shown: the extremes of what is decided, one of each class, and the worst errors."""
    groups = []
    if len(set(measured.macs.tolist())) > 1:
        # Stably: of equally cheap images the first ones.
        order = np.argsort(measured.macs, kind="stable")
        dear = np.argsort(-measured.macs, kind="stable")
        groups += [Group("Cheapest images", order[:_GROUP].tolist()), Group("Dearest images", dear[:_GROUP].tolist())]
    if measured.gates:
        groups += _choose_by_gate(measured)
    shown = measured.right & ~np.isnan(measured.probabilities).any(axis=1)
    firsts = [np.flatnonzero(shown & (measured.labels == label))[:1] for label in range(len(measured.class_names))]
    known = [int(index) for found in firsts[:_MOST_CLASSES] for index in found]
    groups.append(
        Group("One of each class, classified rightly" if len(firsts) <= _MOST_CLASSES else "Classified rightly", known)
    )
    sure = np.where(measured.predicted != measured.labels, measured.probabilities.max(axis=1), -1.0)
    worst = np.argsort(-np.nan_to_num(sure, nan=-1.0), kind="stable")[:_GROUP]
    return [*groups, Group("Wrong, and most sure of it", [int(index) for index in worst if sure[index] > 0])]


def _choose_by_gate(measured: Measurement) -> list[Group]:
    spreads = {
        (name, *place): float(gates[:, place[0], place[1]].std())
        for name, gates in measured.gates.items()
        for place in np.ndindex(gates.shape[1:])
    }
    name, i, j = max(spreads, key=lambda key: spreads[key])
    lowest_to_highest = extreme_indices(measured.gates[name][:, i, j], _GROUP // 2)
    gate = f"{readable(name)}, gate {i + 1} to {j + 1}, which differs most"
    return [
        Group(f"{heading} in {gate}", np.asarray(found).tolist())
        for heading, found in zip(("Most let through", "Least let through"), lowest_to_highest, strict=True)
    ]


def describe_way(measured: Measurement, index: int) -> str:
    """Returns in few words what an image ran."""
    if not measured.switches:
        return ""
    share = f"{whole_percent(measured.macs[index] / measured.static_macs)} of the cost"
    if measured.taken is not None:
        return f"{readable(str(measured.taken[index]))}, {share}"
    row = hard_routes({name: each[index : index + 1] for name, each in measured.switches.items()})[0]
    return f"{int(row.sum())} of {len(row)} parts, {share}"


def _find_ways(
    measured: Measurement, indices: list[int], images: np.ndarray
) -> tuple[list[Diagram], list[list[float]]]:
    if measured.gates:
        flows = routing_flows(measured.model, images)
        return [flow_diagram(flows[0])], [flow_values(flow) for flow in flows]
    diagrams: list[Diagram] = []
    values: list[list[float]] = [[] for _ in indices]
    switches = dict(measured.switches)
    if measured.tree is not None and measured.taken is not None:
        diagrams.append(tree_diagram(measured.tree))
        for row, index in zip(values, indices, strict=True):
            row += tree_values(measured.tree, str(measured.taken[index]))
        switches = measured.block_switches
    if switches:
        diagrams.append(block_diagram(list_choices(switches)))
        for row, index in zip(values, indices, strict=True):
            row += [float(value) for each in switches.values() for value in each[index].round()]
    return diagrams, values


def encode_image(image: np.ndarray) -> str:
    """Returns an image as a `data:` address: small ones bit for bit as PNG, larger ones made smaller, as WebP.

    Args:
        image: Array `(height, width, channels)` with values in [0, 1].

    Example:

    >>> encode_image(np.zeros((2, 2, 3)))[:22]
    'data:image/png;base64,'
    """
    from PIL import Image

    pixels = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype("uint8")
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    small = max(picture.size) <= _SMALL
    if not small:
        picture.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    if small:
        picture.save(content, "PNG", optimize=True)
    else:
        picture.save(content, "WEBP", quality=80)
    kind = "png" if small else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
