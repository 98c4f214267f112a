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
    "pfec": "filters pruned (PFEC)",
    "pruned": "ResNet, pruned",
    "convnet_aig": "ConvNet-AIG",
    "skipnet": "SkipNet",
    "blockdrop": "BlockDrop",
    "sact": "SACT",
    "slimmable": "slimmable net",
    "resnext": "ResNeXt",
    "dmnn": "",
    "mobilenetv2": "MobileNetV2",
    "resnet": "ResNet",
}
_NOT_IN_LABELS = (
    *("convnet_aig_", "skipnet_", "blockdrop_", "sact_", "pfec_", "slimmable_", "resnext", "mobilenetv2", "resnet"),
    *("_full", "_pruned", "_he", "_torch", "_policy", "_figurnov"),
)


def reported_methods(comparison: str) -> list[Method]:
    """Returns the methods of a paper's comparison with the errors and the costs that it prints.

    Costs of whole ResNets that the DRN paper leaves out are counted here. FLOPs in which a multiply-add counts twice,
    those of DRN, BlockDrop and SACT, are halved. SkipNet prints the share that is saved, which is taken of what the
    whole net costs here, gates included.

    Args:
        comparison: `"dmnn_heavy"`, `"dmnn_mobile"` or `"dmnn_cifar100"`; `"drn_cifar10"`, whole nets beside DRN,
            `"drn_dynamic"`, other nets that skip, or `"drn_compressed"`, pruned ones.

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
    _, column, sources = COMPARISONS[comparison]
    known = read_data("reported.json")
    rows = [
        row for source in sources for row in known if source in ((row["paper"], row["table"]), (row["paper"], None))
    ]
    methods: dict[str, list[CostPoint]] = {}
    for row in rows:
        if points := [*_list_points(row, column), *_list_trade_off(row)]:
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
    error, macs = row["error_percent"].get(column), _count_macs(row)
    if error is not None and macs is not None:
        points.append(CostPoint(_shorten(row["row"]), macs, error))
    return points


def _count_macs(row: Mapping[str, Any]) -> float | None:
    """Returns what a paper says that an image costs, `None` where it says nothing."""
    if "printed_gflops" in row:
        return 1e9 * row["printed_gflops"]
    if "printed_flops_1e8" in row:
        return 1e8 * row["printed_flops_1e8"] / 2
    if "cost_reduction_percent" in row:
        return row["macs"] * (1 - row["cost_reduction_percent"] / 100)
    # The DRN paper prints K, the number of blocks, and no FLOPs; the whole net's are known.
    return row["macs"] if row["paper"] == DRN else None


def _list_trade_off(row: Mapping[str, Any]) -> Sequence[CostPoint]:
    return [
        CostPoint(f"K = {point['k']}", 1e8 * point["flops_1e8"] / 2, round(100 - point["accuracy"], 2))
        for point in row.get("trade_off", ())
    ]


def _shorten(row: str) -> str:
    """Returns what tells rows of one method apart: `resnet50_torch` is `50`."""
    # What a name cannot hold: points.
    row = row.replace("_t0", "_t=0.").replace("_075", " x 0.75")
    for part in _NOT_IN_LABELS:
        row = row.replace(part, "")
    return row.strip("_").replace("_", " ") or "1.0"
