"""Model cards: counts, reported and measured results, recipe and weights of an architecture."""

import json
from typing import Any, NamedTuple

from tf_routing.support.package_files import read_package_file
from tf_routing.zoo.card_text import card_text
from tf_routing.zoo.registry import find
from tf_routing.zoo.weights.tags import list_tags


class ReportedRow(NamedTuple):
    """A row of a paper's table, beside the exact counts of the configuration built here.

    Args:
        row: Name of the row.
        paper: Title of the paper.
        table: Where in the paper.
        arguments: Arguments of `zoo.get` that build the row.
        classes: Number of classes.
        input_shape: `[height, width, channels]`.
        parameters_printed_millions: Parameters as the paper prints them, or `None`.
        trainable_parameters: Exact count.
        total_parameters: Exact count with the moving statistics of batch normalisation, or `None` where not known.
        macs: Multiply-accumulates per image, or `None` where a rule other than the routers' decides what runs.
        error_percent: Reported errors by data set and schedule.
        note: What to know about the row.
        operating_points: For networks that skip: per target `rate` the reported `flops_g`, `error` on ImageNet or
            CIFAR-100, and the execution rate that the former implies.
        executed_blocks: For networks that skip blocks: the reported mean number of executed ones, by data set.
        printed_gflops: Multiply-accumulates per image as the paper prints them, in billions, or `None`.
        printed_flops_1e8: The same where a paper counts a multiply-add twice, in 1e8 FLOPs, or `None`.
        flops_ratio_percent: Those as the paper prints them in per cent of the static network's; a dict by target rate
            for networks with `operating_points`.
        router_cost_percent: For networks that skip blocks: what a router costs of its block, as the paper prints it.
        cost_reduction_percent: For networks that skip blocks: what they save, as the paper prints it.
        trade_off: For networks that skip blocks: reported points of `accuracy`, executed blocks `k` and FLOPs.
        exit_macs: For networks that leave early: multiply-accumulates per image that leaves behind each level.
        needs: Further arguments with which the reported errors were reached and that only the user can give,
            each with what it must hold; without them another objective trains the same network.
    """

    row: str
    paper: str
    table: str
    arguments: dict[str, Any]
    classes: int
    input_shape: list[int]
    parameters_printed_millions: float | None
    trainable_parameters: int
    total_parameters: int | None
    macs: int | None
    error_percent: dict[str, float]
    note: str
    operating_points: list[dict[str, float]] | None = None
    executed_blocks: dict[str, float] | float | None = None
    printed_gflops: float | None = None
    printed_flops_1e8: float | None = None
    flops_ratio_percent: dict[str, float] | float | None = None
    router_cost_percent: float | None = None
    cost_reduction_percent: float | None = None
    trade_off: list[dict[str, float]] | None = None
    exit_macs: list[int] | None = None
    needs: dict[str, str] | None = None


class ModelCard(NamedTuple):
    """What is known about an architecture.

    Args:
        name: Name for `zoo.get`.
        family: The paper's family.
        recipe: Name of the paper's training recipe for `tf-routing fit`, or `None`.
        reported: The papers' rows of this architecture, those with default arguments first.
        measured: Runs of this library, as `tf-routing fit --record` wrote them.
        weights: What `zoo.get` accepts as `weights` apart from a file.
        budgets: What trained networks reach at budgets of computation, as `tf-routing calibrate --record` or
            `saved_models/release.py calibrate` wrote it.

    Example:

    >>> from tf_routing import zoo
    >>> zoo.card("resnet20_3cc").recipe
    'multipath_resnet'
    """

    name: str
    family: str
    recipe: str | None
    reported: list[ReportedRow]
    measured: list[dict[str, Any]]
    weights: list[str]
    budgets: list[dict[str, Any]]

    def __str__(self) -> str:
        """The card as a page to read; `tf-routing card` shows tables, of more."""
        return card_text(self)

    def as_dict(self) -> dict[str, Any]:
        """Returns all of the card, ready for JSON."""
        return {**self._asdict(), "reported": [row._asdict() for row in self.reported]}


def card(architecture: str) -> ModelCard:
    """Returns what is known about an architecture, without building it.

    Args:
        architecture: A name of `zoo.list_models()`.

    Returns:
        A `ModelCard`.

    Raises:
        ValueError: If the name is not known; the message lists close matches.

    Example:

    >>> from tf_routing import zoo
    >>> zoo.card("basecnn").reported[0].trainable_parameters
    551594
    """
    found = find(architecture)
    rows = [row for row in read_data("reported.json") if row["architecture"] == architecture]
    # The architecture as it comes before its variants: another paper's row may stand earlier in the file.
    rows.sort(key=lambda row: bool(row["arguments"]))
    reported = [ReportedRow(**{field: row[field] for field in ReportedRow._fields if field in row}) for row in rows]
    measured = [run for run in read_data("measured.json") if run["model"] == architecture]
    budgets = [run for run in read_data("budgets.json") if run["model"] == architecture]
    return ModelCard(architecture, found.family, found.recipe, reported, measured, list_tags(architecture), budgets)


def read_data(file: str) -> list[dict[str, Any]]:
    """Returns the rows of a data file of the zoo."""
    return json.loads(read_package_file("tf_routing.zoo", file))
