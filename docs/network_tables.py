"""Tables of networks that were made elsewhere."""

from typing import Any

from data_files import BENCHMARKS, of_file
from network_families import DATA
from speed_tables import describe_processor

from tf_routing.support.tables import markdown_table


@of_file(DATA)
def families_table(measured: Any) -> str:
    """What `python docs/network_families.py` counted."""
    rows = [
        [
            row["family"],
            f"`{row['network']}`",
            str(row["sums"]),
            str(row["blocks"]),
            f"{100 * row['skippable_macs'] / row['macs']:.0f} %",
        ]
        for row in measured
    ]
    return markdown_table(["family", "network", "sums", "blocks that can be skipped", "their share of the MACs"], rows)


@of_file(BENCHMARKS / "own_networks.json")
def own_networks_table(measured: Any) -> str:
    """What `python benchmarks/own_networks.py` measured: processor time beside that of the plain network."""
    rows = [
        [
            f"`{row['network']}`",
            row["what"],
            row["beside"],
            f"{row['ratio']:.2f}",
            " to ".join(f"{each:.2f}" for each in row["quartiles"]),
        ]
        for row in measured["rows"]
    ]
    headings = ["network", "what", "beside", "of its processor time", "middle half of rounds"]
    return f"{describe_processor(measured['hardware'])}:\n\n{markdown_table(headings, rows)}"
