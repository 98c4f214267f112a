"""Tables of what each paper reports, with the recipe that trains it here, and of how what it shows is made again."""

import re
import tomllib
from pathlib import Path
from typing import Any

from claims_tables import claim_commands, is_quoted, list_networks, read_claims, read_places

from tf_routing import zoo
from tf_routing.support.tables import markdown_table
from tf_routing.train.campaigns.campaign_file import load_campaign
from tf_routing.zoo.card_fields import write_arguments, write_by_data, write_printed_cost
from tf_routing.zoo.cards import ReportedRow

PAPERS = {
    "multipath": "End-To-End Data-Dependent Routing in Multi-Path Neural Networks",
    "dmnn": "Dynamic Multi-path Neural Network",
    "drn": "Dynamic Routing with Path Diversity and Consistency for Compact Network Learning",
}
"""The papers that print errors in tables."""
ROWS = Path(__file__).parent / "papers.toml"
CAMPAIGNS = Path(__file__).parent.parent / "campaigns" / "papers"
FAMILIES = {**{paper: paper for paper in PAPERS}, "decide": "early_exit"}
"""The papers, with the names of their families in the table of claims."""


def reported_table(paper: str) -> str:
    """Every error in a paper's tables that a network of the zoo has, in the order of the tables."""
    cards = {name: zoo.card(name) for name in zoo.list_models()}
    found = [
        (name, row, cards[name].recipe or "-")
        for name in cards
        for row in cards[name].reported
        if row.paper == PAPERS[paper] and (_write_errors(row) or write_printed_cost(row))
    ]
    # A card names one recipe, of one paper: a network that others are compared with is trained as they are.
    recipes = {(row.table, row.classes): recipe for _, row, recipe in found if recipe.startswith(f"{paper}_")}
    rows = [
        [
            row.table.partition(" (")[0],
            f"`{name}`",
            write_arguments(row.arguments),
            _write_errors(row),
            write_printed_cost(row) or "-",
            f"`{recipe if recipe.startswith(f'{paper}_') else recipes.get((row.table, row.classes), recipe)}`",
        ]
        for name, row, recipe in found
    ]
    headings = ["of the paper", "network", "arguments", "errors, %", "printed cost", "recipe"]
    if not any(row[4] != "-" for row in rows):
        headings, rows = [*headings[:4], headings[5]], [[*row[:4], row[5]] for row in rows]
    # Stable: within a table networks stay in the order of the zoo.
    rows.sort(key=lambda cells: cells[0])
    return markdown_table(headings, rows)


def read_rows() -> list[dict[str, Any]]:
    """Returns the rows of the data file: figures, tables and claims with their commands, or why there is none."""
    return tomllib.loads(ROWS.read_text("utf-8"))["rows"]


def reproduced_table(paper: str) -> str:
    """Every figure, table and claim of a paper, with the commands that make it again or the reason why none can."""
    shown = [
        [row["where"], row["shows"], _write_way(row.get("commands", []), row.get("reason", ""), row.get("note", ""))]
        for row in read_rows()
        if row["paper"] == paper
    ]
    content, places = read_claims(), read_places()
    for claim in content["claims"]:
        if claim["family"] != FAMILIES[paper]:
            continue
        campaign = table_campaign(paper, claim["where"])
        commands = [campaign] if campaign else claim_commands(claim, content, places)
        quoted = [name for name in list_networks(claim) if is_quoted(content["networks"][name])]
        note = f"{', '.join(map('`{}`'.format, quoted))}: quoted by the paper, not built here" if quoted else ""
        shown.append([claim["where"], f"Claim: {claim['text']}", _write_way(commands, "", note)])
    return markdown_table(["of the paper", "what it shows", "commands, or why there is none"], shown)


def table_campaign(paper: str, where: str) -> str | None:
    """Returns the command that trains the table that a claim rests on; `None` where no campaign is of it.

    Args:
        paper: A name of `FAMILIES`.
        where: The place of the claim in the paper.
    """
    table = re.search(r"Table (\d)", where)
    file = CAMPAIGNS / f"{paper}_table_{table[1]}.toml" if table else None
    if file is None or not file.exists():
        return None
    needs_gpu = all("cpu" not in training.where for training in load_campaign(str(file)).trainings)
    return f"tf-routing campaign campaigns/papers/{file.name}{' --where gpu' if needs_gpu else ''}"


def _write_way(commands: list[str], reason: str, note: str) -> str:
    lines = [f"`{command}`" for command in commands] or ([f"None: {reason}."] if reason else [])
    return "<br>".join([*lines, *([f"Note: {note}."] if note else [])])


def _write_errors(row: ReportedRow) -> str:
    rates = {f"at rate {point['rate']}:": point["error"] for point in row.operating_points or () if "error" in point}
    return write_by_data({f"{where}:": error for where, error in row.error_percent.items()} | rates).strip("-")
