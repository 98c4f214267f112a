"""Errors and costs of compared methods as the papers print them, by table."""

from collections.abc import Mapping, Sequence
from typing import Any

from tf_routing.analysis.charts.error_by_cost import CostPoint, Method
from tf_routing.support.validation import one_of
from tf_routing.zoo.cards import read_data
from tf_routing.zoo.comparisons import COMPARISONS, DRN

# The first part of a row's name that fits says what it is.
_KINDS = {
    "resnet50_he": "ResNet, original",
    "resnet101_he": "ResNet, original",
    "_torch": "ResNet, torchvision",
    "pruned": "ResNet, pruned",
    "convnet_aig": "ConvNet-AIG",
    "slimmable": "slimmable net",
    "resnext": "ResNeXt",
    "dmnn": "",
    "mobilenetv2": "MobileNetV2",
    "resnet": "ResNet",
}


def reported_methods(comparison: str) -> list[Method]:
    """Returns the methods of a paper's comparison with the errors and the costs that it prints.

    Costs of whole ResNets that the DRN paper leaves out are counted here; its FLOPs count a multiply-add twice, and are
    halved.

    Args:
        comparison: `"dmnn_heavy"`, `"dmnn_mobile"`, `"dmnn_cifar100"` or `"drn_cifar10"`.

    Returns:
        List of `Method`. Rows without a cost are left out.

    Raises:
        ValueError: If the comparison is not known.

    Example:

    >>> [method.label for method in reported_methods("dmnn_cifar100")]
    ['ResNet', 'dmnn50_cifar_n2', 'dmnn50_cifar_n4']

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, Fig. 4. Wang et al. (2020), *Dynamic
        Routing with Path Diversity and Consistency for Compact Network Learning*, arXiv:2005.14439, Fig. 8.
    """
    one_of("comparison", comparison, COMPARISONS)
    paper, table, column, _ = COMPARISONS[comparison]
    rows = [row for row in read_data("reported.json") if row["paper"] == paper]
    methods: dict[str, list[CostPoint]] = {}
    for row in rows:
        points = _list_points(row, column) if row["table"] == table else []
        if table == "Table 3" and paper == DRN:
            points += _list_trade_off(row)
        if points:
            methods.setdefault(_name_method(row["row"]), []).extend(points)
    return [Method(label, points) for label, points in methods.items()]


def _name_method(row: str) -> str:
    kind = next((name for part, name in _KINDS.items() if part in row), "")
    if "tradeoff" in row:
        return "DRN, ResNet-110"
    return kind or row


def _list_points(row: Mapping[str, Any], column: str) -> list[CostPoint]:
    points = [
        CostPoint(f"{point['rate']}", 1e9 * point["flops_g"], point["error"])
        for point in row.get("operating_points", ())
    ]
    error = row["error_percent"].get(column)
    macs = 1e9 * row["printed_gflops"] if "printed_gflops" in row else None
    if macs is None and row["paper"] == DRN:
        # The paper prints K, the number of blocks, and no FLOPs; the whole net's are known.
        macs = row["macs"]
    if error is not None and macs is not None:
        points.append(CostPoint(_shorten(row["row"]), macs, error))
    return points


def _list_trade_off(row: Mapping[str, Any]) -> Sequence[CostPoint]:
    return [
        CostPoint(f"K = {point['k']}", 1e8 * point["flops_1e8"] / 2, round(100 - point["accuracy"], 2))
        for point in row.get("trade_off", ())
    ]


def _shorten(row: str) -> str:
    """Returns what tells rows of one method apart: `resnet50_torch` is `50`."""
    # What a name cannot hold: points.
    row = row.replace("_t0", "_t=0.").replace("_075", " x 0.75")
    for part in ("convnet_aig_", "slimmable_", "resnext", "mobilenetv2", "resnet", "_full", "_pruned", "_he", "_torch"):
        row = row.replace(part, "")
    return row.strip("_").replace("_", " ") or "1.0"
