"""Every command of docs/papers.toml runs to its end, at the smallest scale; what commands ask of each other fits.

What is another than in the file, all of it in `Workplace`:

* **Data**: `tests.paper_data` writes a few pictures under the names of the datasets, with all of their classes.
* **Width**: an eighth of that of the recipe or the network.
* **Depth**: residual networks have one block per stage, but for MobileNetV2, and rules of decision keep two of these
  three blocks. What cards, costs and structures show is built whole.
* **Length**: one epoch, two for figures over epochs, of one or two steps; one seed; one frozen epoch where there are
  any. Batches hold eight images, in as many copies as the recipe makes. Pictures of ImageNet are cut to 64 pixels.
* **Runs** of a recipe that trains one network per cost or depth: of static nets and actors the first and the last, of
  others the last.
* **Figures**: `--images` are the first three, images for gates are made in two steps. Timing calls each network once.
* **Campaigns** train the first and the last network of each comparison, and those that a command evaluates; that all
  can be built, `test_papers` says. Those of six and eight sub-blocks per block are left out: up to 256 patterns per
  block take minutes to trace. Campaigns and the recipes that they name are copied with these changes.

TensorFlow runs functions eagerly.

Losses, routers, decisions and every other word of a command are the paper's.
"""

import contextlib
import io
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from PIL import Image

from tests.paper_data import read_synsets, write_datasets
from tf_routing.cli.main import main
from tf_routing.train.campaigns.campaign_file import load_campaign
from tf_routing.train.recipes.recipe import load_recipe
from tf_routing.train.recipes.recipe_files import read_recipe
from tf_routing.train.recipes.sweep import make_sweep
from tf_routing.zoo.architectures import ARCHITECTURES

_ROOT = Path(__file__).parent.parent
_ROWS: list[dict[str, Any]] = [
    row for row in tomllib.loads((_ROOT / "docs" / "papers.toml").read_text("utf-8"))["rows"] if "commands" in row
]
_WIDTH, _IMAGES, _SIDE = 1 / 8, 8, 64
# Commands that are not run here, by how they begin, with the reason.
_NOT_RUN = {"python -m pytest": "a file of these tests: it runs with the others"}
# The first classes of ImageNet, of which a figure shows examples.
_FIRST = 8
# Commands whose networks are built as deep as they are.
_WHOLE = ("card", "cost", "figures")
_KEPT = 2
_MANY = 6
_EVALUATED = " ".join(command for row in _ROWS for command in row["commands"] if " evaluate " in command)


def read_words(row: dict[str, Any]) -> list[list[str]]:
    """The words of a row's commands of `tf-routing`."""
    return [shlex.split(command)[1:] for command in row["commands"] if command.startswith("tf-routing ")]


def find_option(words: Sequence[str], name: str) -> list[str]:
    """The values of an option, none where it is not given."""
    if name not in words:
        return []
    rest = words[words.index(name) + 1 :]
    return [*rest[: next((place for place, word in enumerate(rest) if word.startswith("--")), len(rest))]]


def name_synsets() -> set[str]:
    """The classes of ImageNet that commands name."""
    return {name for row in _ROWS for command in row["commands"] for name in re.findall(r"\bn\d{8}\b", command)}


def list_written(words: Sequence[str]) -> list[str]:
    """The folders below runs/ that a command writes into."""
    if words[0] == "campaign" and "--status" not in words:
        return [f"runs/{Path(words[1]).stem}"]
    return [each for each in find_option(words, "--output") if each.startswith("runs/")]


def list_read(words: Sequence[str]) -> list[str]:
    """The folders below runs/ that a command reads."""
    return [each for each in words if each.startswith("runs/") and each not in list_written(words)]


def is_below(folder: str, other: str) -> bool:
    return Path(folder).is_relative_to(other)


class Workplace:
    """A folder for each paper, in which its commands run, each once.

    Args:
        root: Where these folders are.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.printed = root, dict[tuple[str, str], str]()

    def run(self, paper: str, command: str) -> str:
        """Runs a command of a paper, after those that write what it reads, and returns what it prints."""
        if (paper, command) in self.printed:
            return self.printed[paper, command]
        words = shlex.split(command)[1:]
        for folder in list_read(words):
            self.run(paper, find_maker(paper, folder))
        folder = self.root / paper
        folder.mkdir(exist_ok=True)
        whole = contextlib.nullcontext() if words[0] in _WHOLE else few_blocks()
        with whole, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as printed:
            assert main(self.shrink(words)) == 0
        self.printed[paper, command] = printed.getvalue()
        return printed.getvalue()

    def shrink(self, words: list[str]) -> list[str]:
        """The words of a command at the smallest scale."""
        if words[0] in ("fit", "study"):
            return [*words, *self.shrink_training(words)]
        if words[0] == "campaign":
            self.copy_campaign(words[1])
        if words[0] == "evaluate":
            return [*words, "--rounds", "1"]
        if words[:2] == ["figures", "gate_images"]:
            return [*words, "--steps", "2"]
        if images := find_option(words, "--images"):
            place = words.index("--images") + 1
            return [*words[:place], *map(str, range(len(images))), *words[place + len(images) :]]
        return words

    def shrink_training(self, words: Sequence[str]) -> list[str]:
        (name,) = find_option(words, "--recipe")
        recipe, sweep = load_recipe(name), make_sweep(read_recipe(name))
        width = sweep.runs[0].arguments.get("width_multiplier", 1.0) if sweep and "--model" not in words else 1.0
        over_epochs = recipe.steps_per_epoch or "route_counts" in words
        options = {"epochs": 2 if over_epochs else 1, "width_multiplier": width * _WIDTH, **self.shrink_recipe(name)}
        given = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        if words[:2] in (["study", "decision_rules"], ["study", "sampled_decisions"]):
            given += ["--keep", str(_KEPT)]
        last = len(sweep.runs) if sweep and "--model" not in words else 1
        first = ["1"] if name.endswith(("_static", "_actor")) else []
        return [*given, *(["--runs", *first, str(last)] if last > 1 else [])]

    def shrink_recipe(self, name: str) -> dict[str, int]:
        """What a recipe is changed in, but for its epochs."""
        recipe = load_recipe(name)
        changes = {"batch_size": _IMAGES * recipe.copies}
        if recipe.steps_per_epoch:
            changes["steps_per_epoch"] = 1
        if recipe.frozen_epochs:
            changes["frozen_epochs"] = 1
        if recipe.image_size and recipe.image_size > _SIDE:
            changes["image_size"] = _SIDE
        return changes

    def copy_campaign(self, file: str) -> None:
        """Writes the campaign of this checkout into the working folder, where it is not yet."""
        if Path(file).exists():
            return
        campaign = tomllib.loads((_ROOT / file).read_text("utf-8"))
        for comparison in campaign["comparisons"]:
            comparison["arguments"] = {**comparison.get("arguments", {}), "width_multiplier": _WIDTH}
            comparison |= {"seeds": comparison["seeds"][:1], "epochs": 1}
            networks = [
                each for each in comparison["networks"] if each.get("arguments", {}).get("sub_blocks", 0) < _MANY
            ]
            evaluated = [each for each in networks if f"/{comparison['name']}/{name_network(each)}/" in _EVALUATED]
            comparison["networks"] = [each for each in networks if each in (networks[0], networks[-1], *evaluated)]
            for each in (comparison, *comparison["networks"]):
                if "recipe" in each:
                    each["recipe"] = self.copy_recipe(each["recipe"])
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(tomli_w.dumps(campaign), "utf-8")

    def copy_recipe(self, name: str) -> str:
        path = Path(f"{name}.toml")
        path.write_text(tomli_w.dumps({"extends": name, **self.shrink_recipe(name)}), "utf-8")
        return str(path)


@contextlib.contextmanager
def few_blocks() -> Iterator[None]:
    """Gives every residual network one block per stage; that of a stage of ConvNet-AIG keeps its first's rate."""
    with pytest.MonkeyPatch.context() as patch:
        for name, line in ARCHITECTURES.items():
            few = {"stack_blocks": 1} if "stack_blocks" in line.arguments else {}
            if stages := line.arguments.get("stage_blocks"):
                few["stage_blocks"] = (1,) * len(stages)
            if rates := line.arguments.get("fixed_rates"):
                few["fixed_rates"] = tuple(rates[sum(stages[:stage])] for stage in range(len(stages)))
            patch.setitem(ARCHITECTURES, name, line._replace(arguments={**line.arguments, **few}))
        yield


def name_network(network: dict[str, Any]) -> str:
    """What a campaign calls a network that has a label or no arguments."""
    return network.get("label", network["model"])


def find_maker(paper: str, folder: str) -> str:
    """The first command of a paper that writes into a folder, or into one that holds it."""
    commands = [command for row in _ROWS if row["paper"] == paper for command in row["commands"]]
    written = ((command, each) for command in commands for each in list_written(shlex.split(command)[1:]))
    return next(command for command, each in written if is_below(folder, each))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, eagerly: None) -> Iterator[Workplace]:
    root = tmp_path_factory.mktemp("papers")
    write_datasets(root / "data", {*name_synsets(), *read_synsets()[:_FIRST]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(root / "data"))
        # An error comes with where it was raised.
        patch.setenv("TF_ROUTING_DEBUG", "1")
        yield Workplace(root)


def check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.format == "PNG" and min(picture.size) > 200
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


def check_run(folder: Path) -> None:
    records = [json.loads(file.read_text("utf-8")) for file in folder.rglob("run.json")]
    assert records and all(0 <= record["final"]["accuracy"] <= 1 for record in records)


def check_study(folder: Path, name: str) -> None:
    content = json.loads((folder / f"{name}.json").read_text("utf-8"))
    assert content["study"] == name and content["rows"]
    # Where no image is made consistent, none is shown.
    if content.get("made_consistent", 1):
        check_picture(folder / f"{name}.png")


def check_campaign(file: Path, words: Sequence[str], printed: str) -> None:
    where = (find_option(words, "--where") or ["cpu"])[0]
    wanted = {each.folder for each in load_campaign(str(file)).trainings if where in each.where}
    rows = json.loads(file.with_suffix(".json").read_text("utf-8"))
    assert wanted and {f"{row['comparison']}/{row['label']}/seed_{row['seed']}" for row in rows} == wanted
    if "--status" in words:
        assert printed.count("1 of 1") == len(wanted)


@pytest.mark.heavy
@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row['paper']} {row['where']}: {row['shows'][:40]}")
def test_the_commands_of_a_row_run(row: dict[str, Any], workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [command for command in row["commands"] if not command.startswith(tuple(_NOT_RUN))]
    if not commands:
        pytest.skip(", ".join(_NOT_RUN.values()))
    for command in commands:
        printed = workplace.run(row["paper"], command)
        words = shlex.split(command)[1:]
        monkeypatch.chdir(workplace.root / row["paper"])
        output = Path((find_option(words, "--output") or ["."])[0])
        if words[0] == "fit":
            check_run(output)
        elif words[0] == "study":
            check_study(output, words[1])
        elif words[0] == "figures":
            check_picture(output)
        elif words[0] == "campaign":
            check_campaign(Path(words[1]), words, printed)
        else:
            # Cards, costs and evaluations are what is printed.
            assert len(printed.splitlines()) > 2


def test_what_a_command_reads_was_written_before() -> None:
    for paper in {row["paper"] for row in _ROWS}:
        written: list[str] = []
        for row in _ROWS:
            for words in read_words(row) if row["paper"] == paper else ():
                lacking = [each for each in list_read(words) if not any(is_below(each, other) for other in written)]
                assert not lacking, (row["where"], words)
                written += list_written(words)


def test_classes_and_images_that_commands_name_are_there() -> None:
    known, named = read_synsets(), 0
    for row in _ROWS:
        for words in read_words(row):
            if not (read := list_read(words)):
                continue
            maker = shlex.split(find_maker(row["paper"], read[0]))
            recipe = find_option(maker, "--recipe")
            classes = known[: load_recipe(recipe[0]).first_classes] if recipe else known
            for name in re.findall(r"\bn\d{8}\b", " ".join(words)):
                assert name in classes, (row["where"], name)
                named += 1
            # 50 pictures of each class validate.
            assert all(int(image) < 50 * len(classes) for image in find_option(words, "--images"))
    assert named > 10


@pytest.mark.parametrize(
    ("subject", "trained", "drawn"),
    [
        ("routers of the kinds conv and recurrent", "study router_kinds", "study router_kinds"),
        ("rates adjusted to throughput", "hybrid_actor_no_talr", "figures error_curves"),
        ("a policy that is regularised", "hybrid_actor_regularized_policy", "figures error_curves"),
        ("costs that a network is told", "hybrid_dynamic", "figures error_curves"),
        ("trees", "hybrid_tree", "figures exits"),
        ("ten crops", "multipath_table_4", "evaluate"),
    ],
)
def test_a_subject_has_a_training_and_what_shows_it(subject: str, trained: str, drawn: str) -> None:
    commands = [" ".join(words) for row in _ROWS for words in read_words(row)]
    trainings = [each for each in commands if each.split()[0] in ("fit", "study", "campaign") and trained in each]
    assert trainings, subject
    assert any(each.startswith(drawn) and trained in each for each in commands), subject
