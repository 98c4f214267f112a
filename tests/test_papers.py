"""The page of the papers leaves no figure and table out, its commands are some, and campaigns hold the tables' rows."""

import json
import re
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tf_routing.cli.commands import figures
from tf_routing.cli.parsing import with_underscores
from tf_routing.cli.program import program_parser
from tf_routing.figures.figure_table import find_figure
from tf_routing.studies.study_table import list_studies
from tf_routing.train.campaigns.campaign_file import Training, load_campaign
from tf_routing.train.recipes.recipe_files import list_recipes
from tf_routing.zoo.cards import read_data
from tf_routing.zoo.registry import find, list_arguments, list_models

_ROOT = Path(__file__).parent.parent
_ROWS: list[dict[str, Any]] = tomllib.loads((_ROOT / "docs" / "papers.toml").read_text("utf-8"))["rows"]
_COMMANDS = list(dict.fromkeys(command for row in _ROWS for command in row.get("commands", ())))
_CAMPAIGNS = sorted((_ROOT / "campaigns" / "papers").glob("*.toml"))
# One asks what no table shows.
_OF_TABLES = [file for file in _CAMPAIGNS if "_table_" in file.stem]
_SHOWN = {
    "multipath": {"Figure": 11, "Table": 4},
    "dmnn": {"Figure": 7, "Table": 4},
    "drn": {"Figure": 8, "Table": 5},
    "decide": {"Figure": 10, "Table": 0},
}
"""How many figures and tables a paper numbers."""


def find_numbers(where: str, kind: str) -> set[int]:
    """The numbers of figures or tables that a place names: `Figure 4`, `Figures 1 to 3`, `Table 4b`."""
    if found := re.search(rf"{kind}s (\d+) to (\d+)", where):
        return set(range(int(found[1]), int(found[2]) + 1))
    found = re.search(rf"{kind}s? (\d[\d, and]*)", where)
    return set(map(int, re.findall(r"\d+", found[1]))) if found else set()


@pytest.mark.parametrize("paper", _SHOWN)
def test_every_figure_and_table_has_a_row(paper: str) -> None:
    rows = [row for row in _ROWS if row["paper"] == paper]
    for kind, count in _SHOWN[paper].items():
        numbers = set().union(*(find_numbers(row["where"], kind) for row in rows))
        assert numbers == set(range(1, count + 1)), kind
    assert any("Claim" in row["shows"] for row in rows)


def test_a_row_has_commands_or_a_reason() -> None:
    for row in _ROWS:
        assert row["paper"] in _SHOWN and row["where"] and row["shows"]
        assert bool(row.get("commands")) != bool(row.get("reason")), row["where"]
        assert set(row) <= {"paper", "where", "shows", "commands", "reason", "note"}


@pytest.mark.parametrize("command", _COMMANDS)
def test_command_is_one_and_what_it_names_is_there(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "python":
        assert words[:2] == ["-m", "pytest"] and (_ROOT / words[2]).is_file()
        return
    assert program == "tf-routing"
    parsed = program_parser().parse_args(with_underscores(words))
    assert getattr(parsed, "model", None) in (None, *list_models())
    assert getattr(parsed, "recipe", None) in (None, *list_recipes())
    if words[0] == "study":
        assert words[1] in list_studies()
    if words[0] == "figures":
        # Raises where an option means nothing to the figure, or one is missing.
        assert figures._given_options(parsed, find_figure(words[1])) is not None
    if words[0] == "campaign":
        assert _ROOT / words[1] in _CAMPAIGNS


def test_every_campaign_is_on_the_page() -> None:
    named = {word for command in _COMMANDS for word in shlex.split(command) if word.startswith("campaigns/")}
    assert named == {file.relative_to(_ROOT).as_posix() for file in _CAMPAIGNS}


def _built_rows(paper: str, table: str) -> list[dict[str, Any]]:
    titles = {"multipath": "End-To-End Data-Dependent", "dmnn": "Dynamic Multi-path", "drn": "Dynamic Routing with"}
    return [
        row
        for row in read_data("reported.json")
        if row["paper"].startswith(titles[paper]) and re.match(rf"Table {table}\b|Table {table}[ab]\b", row["table"])
        if row["architecture"]
    ]


def _wanted(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments of the trainings that a row of a table needs, by target rate where it has several."""
    own = {key: value for key, value in row["arguments"].items() if key != "classes"}
    rates = [{"target_rate": point["rate"]} for point in row.get("operating_points", ())]
    return [{**own, **rate} for rate in rates or [{}]]


def _holds(trainings: Sequence[Training], model: str, wanted: dict[str, Any]) -> bool:
    return any(
        training.model == model and wanted.items() <= {"target_rate": 0.7, **training.arguments}.items()
        for training in trainings
    )


@pytest.mark.parametrize("file", _OF_TABLES, ids=lambda file: file.stem)
def test_campaigns_hold_every_row_of_their_table_that_is_built_here(file: Path) -> None:
    paper, _, table = file.stem.split("_")
    trainings, rows = load_campaign(str(file)).trainings, _built_rows(paper, table)
    assert rows
    for row in rows:
        for wanted in _wanted(row):
            assert _holds(trainings, row["architecture"], wanted), (row["row"], wanted)


_NETWORKS = {
    json.dumps([training.model, dict(training.arguments)], sort_keys=True)
    for file in _CAMPAIGNS
    for training in load_campaign(str(file)).trainings
}


@pytest.mark.parametrize("network", sorted(_NETWORKS))
def test_campaigns_ask_for_arguments_that_networks_know(network: str) -> None:
    model, arguments = json.loads(network)
    assert set(arguments) <= {*list_arguments(model), *find(model).defaults}


@pytest.mark.heavy
@pytest.mark.parametrize("network", sorted(_NETWORKS))
def test_campaigns_ask_for_networks_that_can_be_built(network: str) -> None:
    from tf_routing import zoo

    model, arguments = json.loads(network)
    built = zoo.get(model, width_multiplier=1 / 16, **arguments)
    assert built.static_cost > 0
    if "target_rate" in arguments:
        assert built.default_objective().target_rate == arguments["target_rate"]
    if "target" in arguments:
        assert built.default_objective().target == arguments["target"]


def test_reported_bests_of_three_are_trained_three_times() -> None:
    for table in (2, 3):
        trainings = load_campaign(str(_ROOT / f"campaigns/papers/multipath_table_{table}.toml")).trainings
        assert {training.seed for training in trainings} == {0, 1, 2}


@pytest.fixture
def papers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_ROOT / "docs"))
    import papers_tables

    return papers_tables


def test_claims_stand_below_with_the_campaign_of_their_table(papers: ModuleType) -> None:
    assert papers.table_campaign("dmnn", "section 4.2, Table 1") == (
        "tf-routing campaign campaigns/papers/dmnn_table_1.toml --where gpu"
    )
    assert papers.table_campaign("drn", "section 4.4, Table 4a") is None
    lines = papers.reproduced_table("multipath").splitlines()
    assert len(lines) - 2 == sum(row["paper"] == "multipath" for row in _ROWS) + sum(
        claim["family"] == "multipath" for claim in papers.read_claims()["claims"]
    )
    assert all(line.split(" | ")[-1].strip(" |") for line in lines)
