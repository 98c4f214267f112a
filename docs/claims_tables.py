"""What the papers claim, beside the results of campaigns, and what these say of the claims."""

import functools
import json
import shlex
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.runs.finished_runs import mean_executed_macs
from tf_routing.runs.mean_difference import FAILS, HOLDS, LEVEL, UNKNOWN, judge_less, judge_within, mean_difference
from tf_routing.runs.seeds import mean_minutes, summarize_values
from tf_routing.support.tables import markdown_table
from tf_routing.train.campaigns.campaign_file import Training, load_campaign
from tf_routing.train.campaigns.campaign_results import (
    is_result_of,
    read_results,
    results_file,
    trained_settings,
)
from tf_routing.zoo.cards import read_data
from tf_routing.zoo.registry import find

_ROOT = Path(__file__).parent.parent
CLAIMS = Path(__file__).parent / "claims.toml"
CAMPAIGNS = sorted((_ROOT / "campaigns").glob("*.toml"))
# Of errors in per cent that a paper calls similar; those that they do differ by up to as much.
MARGIN = 0.5
_NOT_YET = "not trained yet"
_RULE = f"""
That one network's number is less than another's **{HOLDS}** where the whole {100 * LEVEL:.0f} % interval of the
difference of their means over seeds lies below zero, **{FAILS}** where it lies above, and **{UNKNOWN}** where zero is
in it or either has fewer than two seeds or is not built here. The interval is Welch's, which does not take spreads
for equal. Errors that a paper calls similar are so where the whole interval lies within {MARGIN} points either way, and
are not where all of it lies outside. A claim of several parts {HOLDS} where each does, and {FAILS} where any does not.
""".strip()
_SEEDS = 3


class Relation(NamedTuple):
    """What a claim says of two networks: the first's `quantity` is `less` than the second's, or `about` the same."""

    kind: str
    quantity: str
    first: str
    second: str

    @property
    def networks(self) -> tuple[str, str]:
        """The names of both networks."""
        return self.first, self.second


class Place(NamedTuple):
    """A comparison of a campaign: the campaign's file, its trainings by label, and the results of each label."""

    file: Path
    name: str
    trainings: dict[str, list[Training]]
    rows: dict[str, list[dict[str, Any]]]


def read_claims() -> dict[str, Any]:
    """Returns the content of the data file: `families`, `networks` and `claims`."""
    return tomllib.loads(CLAIMS.read_text("utf-8"))


def list_relations(claim: Mapping[str, Any]) -> list[Relation]:
    """Returns what a claim comes to."""
    return [Relation(kind, *each) for kind in ("less", "about") for each in claim.get(kind, ())]


def read_places(files: Sequence[Path] | None = None) -> list[Place]:
    """Returns the comparisons of campaigns; of those that claims are about where no files are given."""
    return [place for file in (CAMPAIGNS if files is None else files) for place in _read_places(file)]


def _read_places(file: Path) -> Iterator[Place]:
    rows = read_results(results_file(str(file)))
    found: dict[str, Place] = {}
    for training in load_campaign(str(file)).trainings:
        place = found.setdefault(training.comparison, Place(file, training.comparison, {}, {}))
        place.trainings.setdefault(training.label, []).append(training)
        place.rows.setdefault(training.label, []).extend(row for row in rows if is_result_of(row, training))
    yield from found.values()


def claims_rule() -> str:
    """How verdicts come about, and how many of each there are."""
    content, places = read_claims(), read_places()
    verdicts = Counter(verdict for claim in content["claims"] for *_, verdict in _claim_lines(claim, content, places))
    counts = ", ".join(f"{verdicts[name]} {name}" for name in (HOLDS, FAILS, UNKNOWN, _NOT_YET))
    return f"One line per claim and comparison: {counts}.\n\n{textwrap.fill(_RULE, 118)}\n"


def claims_table(family: str) -> str:
    """The claims of a paper: its numbers, ours with what they cost, and the verdict."""
    content, places = read_claims(), read_places()
    about = content["families"][family]
    headings = ["claim", "the paper's numbers", "trained here", "ours", "verdict"]
    rows = [
        [*(("″", "″") if number else (_write_claim(claim), _write_paper(claim, content))), *line]
        for claim in content["claims"]
        if claim["family"] == family
        for number, line in enumerate(_claim_lines(claim, content, places))
    ]
    title = f"## {about['title']}\n\n{about['reference']}"
    return f"{title}\n\n{markdown_table(headings, rows)}"


def _write_claim(claim: Mapping[str, Any]) -> str:
    note = f" Note: {claim['note']}." if "note" in claim else ""
    return f"{claim['text']} ({claim['where']}).{note}"


def claim_commands(claim: Mapping[str, Any], content: Mapping[str, Any], places: Sequence[Place]) -> list[str]:
    """Returns the commands that train what a claim compares; none where it compares with what only papers report.

    Args:
        claim: An entry of `claims`.
        content: What `read_claims` returns.
        places: What `read_places` returns.
    """
    names = list_networks(claim)
    fitting = [place for place in places if all(name in place.trainings for name in names)]
    if fitting:
        return list(dict.fromkeys(_campaign_command(place, place.trainings[names[0]][0]) for place in fitting))
    if any(is_quoted(content["networks"][name]) for name in names):
        return []
    return list(dict.fromkeys(fit_command(name, content["networks"][name], places) for name in names))


def list_networks(claim: Mapping[str, Any]) -> list[str]:
    """Returns the names of the networks that a claim compares."""
    return list(dict.fromkeys(name for relation in list_relations(claim) for name in relation.networks))


def _claim_lines(claim: Mapping[str, Any], content: Mapping[str, Any], places: Sequence[Place]) -> list[list[str]]:
    """Returns how networks were trained, what they came to, and the verdict, once per comparison that has them all."""
    relations = list_relations(claim)
    names = list_networks(claim)
    fitting = [place for place in places if all(name in place.trainings for name in names)]
    if fitting:
        return [_place_line(place, relations, names) for place in fitting]
    quoted = [name for name in names if is_quoted(content["networks"][name])]
    if quoted:
        return [["-", f"quoted by the paper, not built here: {', '.join(map('`{}`'.format, quoted))}", UNKNOWN]]
    commands = claim_commands(claim, content, places)
    return [["-", "<br>".join([f"{_NOT_YET}:", *map("`{}`".format, commands)]), _NOT_YET]]


def is_quoted(network: Mapping[str, Any]) -> bool:
    """Returns whether a network is one that a paper only quotes, so that no name of the zoo builds it."""
    return "reported" in network and "model" not in network and not reported_row(network["reported"][0])["architecture"]


def _place_line(place: Place, relations: Sequence[Relation], names: Sequence[str]) -> list[str]:
    training = place.trainings[names[0]][0]
    command = f"`{_campaign_command(place, training)}`"
    missing = [name for name in names if not place.rows[name]]
    if missing:
        which = ", ".join(f"`{name}`" for name in missing)
        return [f"`{place.name}`", f"{which} {_NOT_YET}: {command}", _NOT_YET]
    check_budgets(place, names)
    parts = [judge(relation, place.rows) for relation in relations]
    verdict = FAILS if FAILS in parts else HOLDS if set(parts) == {HOLDS} else UNKNOWN
    ours = "<br>".join(_write_relation(relation, place.rows) for relation in relations)
    return [_write_budget(place, training, names), ours, verdict]


def _campaign_command(place: Place, training: Training) -> str:
    where = "" if "cpu" in training.where else " --where gpu"
    return f"tf-routing campaign {place.file.relative_to(_ROOT)}{where}"


def check_budgets(place: Place, names: Sequence[str]) -> None:
    """Raises a `ValueError` if networks that are compared were not trained alike."""
    budgets = {
        json.dumps(
            [row["dataset"], trained_settings(row), row["train_images"], row["model_arguments"]["width_multiplier"]],
            sort_keys=True,
        )
        for name in names
        for row in place.rows[name]
    }
    if len(budgets) > 1:
        raise ValueError(f"{place.file}: the networks {', '.join(names)} of {place.name} were not trained alike.")


def judge(relation: Relation, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Returns what results say of a relation: `HOLDS`, `FAILS` or `UNKNOWN`.

    Args:
        relation: The relation.
        rows: Rows of a campaign's results by label.
    """
    interval = mean_difference(*(_QUANTITIES[relation.quantity](rows[name]) for name in relation.networks))
    return judge_less(interval) if relation.kind == "less" else judge_within(interval, -MARGIN, MARGIN)


def _errors(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    return [100 * (1 - row["final"]["accuracy"]) for row in rows]


def _executed_macs(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Millions of MACs per image, the mean over the test images where it differs between them."""
    return [mean_executed_macs(row["final"]) / 1e6 for row in rows]


_QUANTITIES: dict[str, Callable[[Sequence[Mapping[str, Any]]], list[float]]] = {
    "error": _errors,
    "macs": _executed_macs,
}
_UNITS = {"error": "%", "macs": "M MACs"}


def _write_relation(relation: Relation, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    values = [_QUANTITIES[relation.quantity](rows[name]) for name in relation.networks]
    sides = [_write_values(name, each) for name, each in zip(relation.networks, values, strict=True)]
    interval = mean_difference(*values)
    reach = "" if interval.low is None else f" ({interval.low:+.2f} to {interval.high:+.2f})"
    return f"{' against '.join(sides)} {_UNITS[relation.quantity]}: {interval.mean:+.2f}{reach}"


def _write_values(name: str, values: Sequence[float]) -> str:
    found = summarize_values(values)
    spread = "" if found.deviation is None else f" ± {found.deviation:.2f}"
    return f"`{name}` {found.mean:.2f}{spread} ({len(values)} seed{'s' * (len(values) > 1)})"


def _write_budget(place: Place, training: Training, names: Sequence[str]) -> str:
    (row, *_), found = place.rows[names[0]], [each for name in names for each in place.rows[name]]
    machines = {f"{each['machine']['cores']} cores of {each['machine']['processor']}" for each in found}
    minutes = ", ".join(f"{mean_minutes(place.rows[name]):.1f}" for name in names)
    recipe = training.recipe if training.scale == "paper" else f"{training.recipe}, {training.scale}"
    width = row["model_arguments"]["width_multiplier"]
    what = f"{row['epochs']} epochs of `{recipe}` on {training.dataset}, width x {width}"
    return f"`{place.name}`: {what}; {minutes} processor minutes on {', '.join(sorted(machines))}"


def _write_paper(claim: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    paper, shown = content["families"][claim["family"]]["paper"], dict[str, list[str]]()
    for relation in list_relations(claim):
        for name in relation.networks:
            found = paper_number(content["networks"][name], relation.quantity, paper)
            if found is not None and (written := f"{found[0]:g} {found[1]}") not in shown.setdefault(name, []):
                shown[name].append(written)
    return "; ".join(f"`{name}` {', '.join(numbers)}" for name, numbers in shown.items()) or "-"


def paper_number(network: Mapping[str, Any], quantity: str, paper: str) -> tuple[float, str] | None:
    """Returns what a paper prints of a network, with its unit; `None` where it prints nothing.

    Args:
        network: An entry of `networks`.
        quantity: `"error"` or `"macs"`; for the latter what the paper has, FLOPs or blocks.
        paper: Its title.
    """
    name, key = network.get("reported", (None, None))
    if name is None or (row := reported_row(name))["paper"] != paper:
        return None
    points = {point["rate"]: point for point in row.get("operating_points", ())}
    if quantity == "error":
        return (points[key]["error"] if key in points else row["error_percent"][key]), "%"
    if key in points or "printed_gflops" in row:
        return (points[key]["flops_g"] if key in points else row["printed_gflops"]), "G FLOPs"
    blocks = row.get("executed_blocks", {})
    return (blocks[key], f"of {row['blocks']} blocks") if isinstance(blocks, dict) and key in blocks else None


def reported_row(name: str) -> dict[str, Any]:
    """Returns a row of the papers' numbers."""
    return _reported_rows()[name]


@functools.cache
def _reported_rows() -> dict[str, dict[str, Any]]:
    return {row["row"]: row for row in read_data("reported.json")}


def fit_command(name: str, network: Mapping[str, Any], places: Sequence[Place]) -> str:
    """Returns the command that trains a network as its paper does, or all that its recipe names.

    Args:
        name: Its name in the data file.
        network: Its entry there.
        places: What `read_places` returns.
    """
    end = ["--seeds", str(_SEEDS), "--output"]
    row = reported_row(network["reported"][0]) if "reported" in network else {}
    trained = next((place.trainings[name][0] for place in places if name in place.trainings), None)
    if "recipe" in network and not row:
        return shlex.join(["tf-routing", "fit", "--recipe", network["recipe"], *end, f"runs/{network['recipe']}"])
    model = network.get("model") or row.get("architecture") or (trained and trained.model)
    dataset = network.get("dataset") or (trained and trained.dataset)
    recipe = network.get("recipe") or find(model).recipe
    settings = [
        word for key, value in _arguments(network, row).items() for word in ("--set", f"{key}={json.dumps(value)}")
    ]
    words = ["tf-routing", "fit", "--model", model, "--dataset", dataset, *settings, "--recipe", recipe]
    return shlex.join([*words, *end, f"runs/{name.replace(' ', '_')}"])


def _arguments(network: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a network: those of the paper's row, unless it stands for another, and its own."""
    rate = {"target_rate": network["reported"][1]} if row.get("operating_points") else {}
    of_the_row = {} if "model" in network else row.get("arguments", {})
    values = {**of_the_row, **rate, **network.get("arguments", {})}
    # The dataset decides how many there are.
    return {key: value for key, value in values.items() if key != "classes"}
