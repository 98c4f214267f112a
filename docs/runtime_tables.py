"""Tables of the benchmarks that run networks in several runtimes."""

from collections.abc import Mapping
from typing import Any

from data_files import BENCHMARKS, TARGETS, find_target, of_file, write_aim
from speed_tables import describe_processor

from tf_routing.support.tables import markdown_table


@of_file(BENCHMARKS / "onnx_skipping.json")
def onnx_skipping_table(measured: Any) -> str:
    """What `python benchmarks/onnx_skipping.py` wrote: the time of files that skip, as shares of static files' time."""
    rows = [
        [
            f"`{row['network']}`",
            f"{row['rate']}",
            str(row["batch"]),
            f"{row['milliseconds_per_image']:.2f} ms",
            f"`{row['static']}`",
            f"{row['share_of_macs']:.2f}",
            write_aim(row["processor_ratio"], _find_onnx_target(row)),
            " to ".join(f"{each:.2f}" for each in row["processor_quartiles"]),
        ]
        for row in measured["rows"]
    ]
    headings = [
        "network",
        "rate",
        "batch",
        "per image",
        "beside",
        "of its MACs",
        "of its time",
        "middle half of rounds",
    ]
    machine = f"{_describe_onnx(measured['hardware'])}, one thread; in brackets what was aimed at"
    return f"{machine}:\n\n{markdown_table(headings, rows)}"


def _find_onnx_target(row: dict[str, Any]) -> float | None:
    target = find_target("onnx_skipping", row["batch"], network=row["network"], rate=row["rate"])
    # Networks that leave early aim at a time for each MAC.
    return target * row["share_of_macs"] if target and row["network"] == "decide_chain8" else target


def _describe_onnx(machine: dict[str, Any]) -> str:
    return f"{describe_processor(machine)}, ONNX Runtime {machine['onnxruntime']}"


@of_file(BENCHMARKS / "xla_skipping.json")
def xla_skipping_table(measured: Any) -> str:
    """What `python benchmarks/xla_skipping.py` wrote: the time of networks that skip, as shares of static ones'."""
    rows = [
        [
            f"`{row['network']}`",
            f"{row['rate']}",
            str(row["batch"]),
            f"{row['milliseconds_per_image']:.2f} ms",
            f"`{row['static']}`",
            f"{row['share_of_macs']:.2f}",
            write_aim(row["ratio"], row.get("target")),
            " to ".join(f"{each:.2f}" for each in row["quartiles"]),
            write_aim(row["compile_ratio"], row.get("compile_target")),
        ]
        for row in measured["rows"]
    ]
    headings = [
        *("network", "rate", "batch", "per image", "beside", "of its MACs", "of its time", "middle half of rounds"),
        "of its compilation",
    ]
    machine = f"{describe_processor(measured['hardware'])}, JAX {measured['hardware']['jax']}, one thread"
    rounds = measured["settings"]["rounds"]
    return (
        f"{machine}, {rounds} rounds, {measured['date']}; in brackets what was aimed at:\n\n"
        f"{markdown_table(headings, rows)}"
    )


@of_file(BENCHMARKS / "deployment.json")
def deployment_table(measured: Any) -> str:
    """What `python benchmarks/deployment.py` wrote: time, its share of the static network's in TensorFlow, memory."""
    batches = sorted({row["batch"] for row in measured["rows"]})
    files: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
    for row in measured["rows"]:
        files.setdefault((row["network"], row["runtime"], row["side"]), {})[row["batch"]] = row
    rows = [
        [f"`{network}`", runtime, side, *(_write_file(own.get(batch)) for batch in batches)]
        for (network, runtime, side), own in files.items()
    ]
    headings = ["network", "runtime", "file", *(f"batch {batch}" for batch in batches)]
    return f"{_describe_onnx(measured['hardware'])}:\n\n{markdown_table(headings, rows)}"


def _write_file(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    return f"{row['milliseconds_per_image']:.1f} ms, {row['processor_ratio']:.2f}, {row['peak_mebibytes']} MiB"


@of_file(BENCHMARKS / "equal_accuracy.json")
def equal_accuracy_table(measured: Any) -> str:
    """What `python benchmarks/equal_accuracy.py` wrote: networks that decide, beside static ones as accurate."""
    return _beside_static(measured)


@of_file(BENCHMARKS / "cascades.json")
def cascades_table(measured: Any) -> str:
    """The same of cascades."""
    return _beside_static(measured)


@of_file(BENCHMARKS / "cascades.json")
def headline(measured: Any) -> str:
    """The fastest cascade that is as accurate as the best static network, by batch."""
    best = max((row for row in measured["rows"] if not row["decides"]), key=lambda row: row["accuracy"])
    found = []
    for batch in sorted({row["batch"] for row in measured["rows"]}):
        rivals = [
            row
            for row in measured["rows"]
            if row["batch"] == batch and row.get("rival") and row["accuracy"] >= best["accuracy"] - measured["equal"]
        ]
        row = min(rivals, key=lambda row: row["rival"]["ratio"])
        found.append(f"{row['rival']['ratio']:.2f} of its time in batches of {batch} ({100 * row['accuracy']:.2f} %)")
    machine = _describe_onnx(measured["hardware"])
    return (
        f"Beside the most accurate static network ({100 * best['accuracy']:.2f} % of {measured['test_images']:,} test "
        f"images of CIFAR-10), a cascade of two static networks that is as accurate to within "
        f"{100 * measured['equal']:.1f} points takes {' and '.join(found)}, one seed, {machine}, one thread.\n"
    )


@of_file(BENCHMARKS / "quantized.json")
def quantized_table(measured: Any) -> str:
    """What `python benchmarks/quantized.py` wrote: accuracy and time in floats and in eight bits."""
    rows = [
        [
            f"`{row['network']}`",
            str(row["bits"]),
            ("trained" if row["budget"] is None else f"{row['budget']:.2f}") if row["decides"] else "",
            f"{100 * row['accuracy']:.2f}",
            f"{row['mean_macs']:,.0f}",
            f"{row['bytes'] / 1e6:.2f} MB",
            str(row["batch"]),
            f"{row['milliseconds_per_image']:.3f} ms",
            ", ".join(f"{ratio:.2f}" for ratio in row.get("beside", {}).values()),
        ]
        for row in measured["rows"]
    ]
    headings = ["network", "bits", "budget", "accuracy, %", "mean MACs", "file", "batch", "per image"]
    headings += ["of the static network's time in as many bits"]
    machine = f"{_describe_onnx(measured['hardware'])}, one thread, {measured['test_images']:,} test images"
    return f"{machine}:\n\n{markdown_table(headings, rows)}"


def _beside_static(measured: Any) -> str:
    rows = [
        [
            row["network"].replace("_", " "),
            "trained" if row["budget"] is None else f"{row['budget']:.2f}",
            f"{100 * row['accuracy']:.2f}",
            f"{row['mean_macs']:,.0f}",
            str(row["batch"]),
            f"{row['milliseconds_per_image'][row['runtime']]:.3f} ms",
            *_write_rival(row),
        ]
        for row in measured["rows"]
        if row["decides"]
    ]
    headings = ["network", "budget", "accuracy, %", "mean MACs", "batch", "per image", "beside", "of its time"]
    machine = f"{_describe_onnx(measured['hardware'])}, one thread, {measured['test_images']:,} test images"
    return f"{machine}; in brackets what was aimed at:\n\n{markdown_table(headings, rows)}"


def _write_rival(row: dict[str, Any]) -> list[str]:
    rival = row["rival"]
    if rival is None:
        return ["none is as accurate", "-"]
    # Aimed at for the network as it was trained.
    target = TARGETS["equal_accuracy"].get(str(row["batch"])) if row["budget"] is None else None
    return [f"`{rival['network']}`, {100 * rival['accuracy']:.2f} %", write_aim(rival["ratio"], target)]


@of_file(BENCHMARKS / "lite0_photographs.json")
def lite0_photographs_table(measured: Any) -> str:
    """What `python benchmarks/lite0_photographs.py` wrote: agreement with the whole network, and shares of its time."""
    rights = {
        "agreement": "agreement, %",
        "agreement_of_ten": "of ten",
        "accuracy": "accuracy, %",
        "accuracy_of_ten": "of ten",
    }
    return _agreement_table(measured, rights)


@of_file(BENCHMARKS / "lite0_exits.json")
def lite0_exits_table(measured: Any) -> str:
    """What `python benchmarks/lite0_exits.py` wrote: agreement among ten classes, and shares of the whole's time."""
    return _agreement_table(measured, {"agreement": "agreement, %", "accuracy": "accuracy, %"})


@of_file(BENCHMARKS / "own_cifar10.json")
def own_cifar10_table(measured: Any) -> str:
    """What `python benchmarks/own_cifar10.py` wrote: agreement on all test images, and shares of the whole's time."""
    return _agreement_table(measured, {"agreement": "agreement, %", "accuracy": "accuracy, %"})


def _agreement_table(measured: Any, rights: Mapping[str, str]) -> str:
    """Returns a table of networks by setting: the shares of images that `rights` names, MACs and times."""
    digits = 0 if measured["images"] <= 100 else 1
    columns = sorted({(row["runtime"], row["batch"]) for row in measured["rows"]})
    networks: dict[tuple[str, str], dict[tuple[str, int], dict[str, Any]]] = {}
    for row in measured["rows"]:
        networks.setdefault(_name_setting(row), {})[row["runtime"], row["batch"]] = row
    rows = []
    for (network, setting), own in networks.items():
        first = next(iter(own.values()))
        shares = [f"{100 * first[each]:.{digits}f}" for each in rights]
        times = [_write_agreeing_time(own[column]) for column in columns]
        rows.append([network, setting, *shares, f"{first['share_of_macs']:.2f}", *times])
    named = {"onnxruntime": "ONNX Runtime", "tensorflow": "TensorFlow"}
    headings = ["network", "setting", *rights.values(), "MACs"]
    headings += [f"{named[runtime]}, batch {batch}" for runtime, batch in columns]
    return (
        f"{_describe_onnx(measured['hardware'])}, one thread, {measured['images']:,} images, {measured['date']}:\n\n"
        f"{markdown_table(headings, rows)}"
    )


def _name_setting(row: dict[str, Any]) -> tuple[str, str]:
    if "budget" in row:
        return row["network"], f"budget {row['budget']:.2f}"
    if "exit" in row:
        return row["network"], f"behind `{row['exit']}`"
    return row["network"], str(len(row["left_out"])) if "left_out" in row else "-"


def _write_agreeing_time(row: dict[str, Any]) -> str:
    if row["network"] == "whole":
        milliseconds = row["milliseconds_per_image"]
        return f"{milliseconds:.{1 if milliseconds >= 10 else 2}f} ms"
    lower, upper = row["quartiles"]
    return f"{row['ratio']:.2f} ({lower:.2f} to {upper:.2f})"
