"""Tables of what each paper reports, with the recipe that trains it here."""

from tf_routing import zoo
from tf_routing.support.tables import markdown_table
from tf_routing.zoo.card_fields import write_arguments, write_by_data
from tf_routing.zoo.cards import ReportedRow

PAPERS = {
    "multipath": "End-To-End Data-Dependent Routing in Multi-Path Neural Networks",
    "dmnn": "Dynamic Multi-path Neural Network",
    "drn": "Dynamic Routing with Path Diversity and Consistency for Compact Network Learning",
}
"""The papers that print errors in tables."""


def reported_table(paper: str) -> str:
    """Every error in a paper's tables that a network of the zoo has, in the order of the tables."""
    cards = {name: zoo.card(name) for name in zoo.list_models()}
    found = [
        (name, row, cards[name].recipe or "-")
        for name in cards
        for row in cards[name].reported
        if row.paper == PAPERS[paper] and _write_errors(row)
    ]
    # A card names one recipe, of one paper: a network that others are compared with is trained as they are.
    recipes = {(row.table, row.classes): recipe for _, row, recipe in found if recipe.startswith(f"{paper}_")}
    rows = [
        [
            row.table.partition(" (")[0],
            f"`{name}`",
            write_arguments(row.arguments),
            _write_errors(row),
            f"`{recipe if recipe.startswith(f'{paper}_') else recipes.get((row.table, row.classes), recipe)}`",
        ]
        for name, row, recipe in found
    ]
    # Stable: within a table networks stay in the order of the zoo.
    rows.sort(key=lambda cells: cells[0])
    return markdown_table(["of the paper", "network", "arguments", "errors, %", "recipe"], rows)


def _write_errors(row: ReportedRow) -> str:
    rates = {f"at rate {point['rate']}:": point["error"] for point in row.operating_points or () if "error" in point}
    return write_by_data({f"{where}:": error for where, error in row.error_percent.items()} | rates).strip("-")
