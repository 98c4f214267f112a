"""The fields of cards as text, the same on pages, in tables and on the terminal."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_routing.zoo.cards import ReportedRow

_NOTHING = "-"


def write_size(input_shape: Sequence[int]) -> str:
    """Returns the shape of an image.

    Example:

    >>> write_size([32, 32, 3])
    '32x32x3'
    """
    return "x".join(map(str, input_shape))


def write_arguments(arguments: Mapping[str, Any], leave_out: Collection[str] = ()) -> str:
    """Returns arguments as they are written in a call, without those that are shown by themselves.

    Example:

    >>> write_arguments({"width_multiplier": 0.5, "router": "cc"}, leave_out=["width_multiplier"])
    'router=cc'
    """
    return ", ".join(f"{name}={value}" for name, value in arguments.items() if name not in leave_out)


def write_by_data(values: Mapping[str, Any], separator: str = ", ") -> str:
    """Returns values by data set, such as errors in per cent.

    Example:

    >>> write_by_data({"cifar10": 5.5, "cifar100": 25.2}), write_by_data({})
    ('cifar10 5.5, cifar100 25.2', '-')
    """
    return separator.join(f"{data} {value}" for data, value in values.items()) or _NOTHING


def write_number(value: float | None, form: str = "{:,}") -> str:
    """Returns a number that may not be known.

    Example:

    >>> write_number(551594), write_number(0.27, "{} M"), write_number(None)
    ('551,594', '0.27 M', '-')
    """
    return _NOTHING if value is None else form.format(value)


def write_printed_cost(row: "ReportedRow") -> str:
    """Returns the costs that a paper prints beside the errors of a row; an empty text where it prints none.

    Example:

    >>> from tf_routing import zoo
    >>> write_printed_cost(zoo.card("resnext50_4x24d").reported[0])
    '4.2 GMACs, 106.1 % of the static network'
    >>> write_printed_cost(zoo.card("dmnn50_n4").reported[0])
    'at rate 0.7: 3.17 GMACs, 80.1 % of the static network'
    """
    ratios = row.flops_ratio_percent
    by_rate = ratios if isinstance(ratios, Mapping) else {}
    points = [
        f"at rate {point['rate']}: {_write_gflops(point['flops_g'], by_rate.get(str(point['rate'])))}"
        for point in row.operating_points or ()
    ]
    if row.printed_gflops is not None:
        points.append(_write_gflops(row.printed_gflops, None if isinstance(ratios, Mapping) else ratios))
    if row.printed_flops_1e8 is not None:
        points.append(f"{row.printed_flops_1e8}e8 FLOPs")
    points += [f"K = {point['k']}: {point['flops_1e8']}e8 FLOPs" for point in row.trade_off or ()]
    if row.router_cost_percent is not None:
        points.append(f"a router {row.router_cost_percent} % of its block")
    if row.cost_reduction_percent is not None:
        points.append(f"{row.cost_reduction_percent} % saved")
    return "; ".join(points)


def _write_gflops(gflops: float, ratio: float | None) -> str:
    return f"{gflops} GMACs" + ("" if ratio is None else f", {ratio} % of the static network")


BUDGET_COLUMNS = ("budget", "executed MACs", "of static", "deviation", "accuracy", "static network as accurate")
"""Headings of tables of budgets."""


def budget_cells(row: Mapping[str, Any]) -> list[str]:
    """Returns what a network does at a budget, in the order of `BUDGET_COLUMNS`.

    Args:
        row: One of the `budgets` that `tf-routing calibrate` writes.

    Example:

    >>> row = {"budget": 0.5, "mean_macs": 5.02e6, "share": 0.502, "deviation": 0.004, "accuracy": 0.91}
    >>> budget_cells(row)
    ['0.5', '5,020,000', '0.502', '+0.4 %', '0.9100', '-']
    """
    static = row.get("static")
    rival = _NOTHING
    if static:
        settings = write_arguments(static["model_arguments"])
        rival = f"{static['model']} ({settings}): {static['macs']:,} MACs, {static['accuracy']:.4f}"
    return [
        f"{row['budget']:.4g}",
        f"{row['mean_macs']:,.0f}",
        f"{row['share']:.3f}",
        f"{100 * row['deviation']:+.1f} %",
        f"{row['accuracy']:.4f}",
        rival,
    ]
