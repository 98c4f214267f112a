"""Tables of networks that were made elsewhere."""

import json
from pathlib import Path

from network_families import DATA
from speed_tables import describe_processor

from tf_routing.support.tables import markdown_table

OWN_NETWORKS = Path(__file__).parent.parent / "benchmarks" / "own_networks.json"


def families_table() -> str:
    """What `python docs/network_families.py` counted."""
    if not DATA.exists():
        return "Nothing yet.\n"
    rows = [
        [
            row["family"],
            f"`{row['network']}`",
            str(row["sums"]),
            str(row["blocks"]),
            f"{100 * row['skippable_macs'] / row['macs']:.0f} %",
        ]
        for row in json.loads(DATA.read_text("utf-8"))
    ]
    return markdown_table(["family", "network", "sums", "blocks that can be skipped", "their share of the MACs"], rows)


def own_networks_table() -> str:
    """What `python benchmarks/own_networks.py` measured: processor time beside that of the plain network."""
    if not OWN_NETWORKS.exists():
        return "Nothing yet.\n"
    measured = json.loads(OWN_NETWORKS.read_text("utf-8"))
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
