"""Studies: tiny runs on real digits, measured and drawn, checked against what NumPy counts."""

import contextlib
import functools
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import tf_routing
from tf_routing import data, zoo
from tf_routing.analysis import hard_routes
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet
from tf_routing.evaluation.image_versions import version_batches
from tf_routing.models import RoutedModel
from tf_routing.runs.trained_network import load_trained
from tf_routing.studies import study, study_figures
from tf_routing.studies.logged_routes import read_counts
from tf_routing.studies.operating_points import count_router_macs
from tf_routing.studies.study import conduct
from tf_routing.studies.study_runs import Setup, folder_name, train_variants
from tf_routing.studies.study_table import STUDIES, Study, list_studies
from tf_routing.studies.variants import Variant
from tf_routing.train.recipes.recipe import load_recipe
from tf_routing.zoo.architectures import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("eagerly")

_MODEL, _SEED, _BLOCKS = "drn_resnet32", 3, 15
# As deep as the shallowest of the paper, a training step takes half a minute to trace.
_SMALL, _SMALL_BLOCKS, _WIDTH = "drn_resnet8", 3, 0.5
_TERMS, _NO_TERMS = "default", "consistency_weight_0.0_diversity_weight_0.0"
_IMAGES = 100
_RECIPE = 'title = "Four steps"\nepochs = 1\nbatch_size = 64\ncopies = 4\nlearning_rate = 0.1\nshift = 2\n'


def some(part: ImageSet, count: int) -> ImageSet:
    return ImageSet(part.images[:count], part.labels[:count])


def digits() -> Dataset:
    whole = data.load("digits")
    return whole._replace(train=some(whole.train, 64), test=some(whole.test, _IMAGES))


@pytest.fixture(scope="module", autouse=True)
def _small_networks() -> Iterator[None]:
    paper, plain = ARCHITECTURES[_MODEL], ARCHITECTURES["resnet32"]
    small = paper._replace(arguments={**paper.arguments, "stage_blocks": (1, 1, 1)}, baseline="resnet8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, _SMALL, small)
        patch.setitem(ARCHITECTURES, "resnet8", plain._replace(arguments={"stack_blocks": 1}))
        yield


class Conducted(NamedTuple):
    """The setup of a finished study of two networks, what it returned, what training printed, and its recipe's file.

    Routers of so few steps decide alike for all images: the saved networks are calibrated, so that routes differ.
    `as_trained` is one before that.
    """

    setup: Setup
    content: dict[str, Any]
    printed: str
    recipe: Path
    as_trained: RoutedModel


@pytest.fixture(scope="module")
def conducted(tmp_path_factory: pytest.TempPathFactory) -> Conducted:
    recipe = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    recipe.write_text(_RECIPE, "utf-8")
    output = tmp_path_factory.mktemp("studies")
    setup = Setup(_SMALL, digits(), load_recipe(str(recipe)), output, _SEED, {"width_multiplier": _WIDTH})
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        train_variants(setup, STUDIES["path_consistency"].variants)
    as_trained = load_trained(str(output / _TERMS))[0]
    for folder, rate in ((_TERMS, 0.5), (_NO_TERMS, 0.3)):
        model = load_trained(str(output / folder))[0]
        tf_routing.calibrate(model, images(setup, None), rate=rate)
        model.save(output / folder / "model.keras")
    return Conducted(setup, asked(setup, "path_consistency"), printed.getvalue(), recipe, as_trained)


def asked(setup: Setup, name: str, *variants: Variant) -> dict[str, Any]:
    """What a study returns, perhaps of other variants than its own."""
    chosen = STUDIES[name]._replace(variants=variants) if variants else STUDIES[name]
    return conduct(name, chosen, setup)


@functools.cache
def loaded(folder: Path) -> RoutedModel:
    return load_trained(str(folder))[0]


def trained(setup: Setup, folder: str = _TERMS) -> RoutedModel:
    return loaded(setup.output / folder)


def images(setup: Setup, version: str | None) -> np.ndarray:
    return np.concatenate([each for each, _ in version_batches(setup.dataset, version, _SEED).as_numpy_iterator()])


def routes(setup: Setup, folder: str, version: str | None) -> np.ndarray:
    return hard_routes(trained(setup, folder).routes(images(setup, version), batch_size=_IMAGES))


def state(output: Path) -> dict[str, tuple[int, bytes]]:
    """All files of all runs."""
    files = [path for path in output.glob("*/**/*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def assert_is_figure(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert all(200 < side < 4000 for side in picture.size)
        assert len(picture.convert("RGB").getcolors(1 << 22)) > 20


def test_one_line_and_one_folder_per_variant(conducted: Conducted) -> None:
    output = conducted.setup.output
    lines = [line for line in conducted.printed.splitlines() if " of 2: " in line]
    assert lines == [
        f"{number} of 2: {row['label']}, in {output / row['folder']}"
        for number, row in enumerate(conducted.content["rows"], 1)
    ]
    assert {path.name for path in output.iterdir() if path.is_dir()} == {_TERMS, _NO_TERMS}


def test_runs_differ_in_what_their_folder_says(conducted: Conducted) -> None:
    records = [
        json.loads((conducted.setup.output / folder / "run.json").read_text("utf-8"))["arguments"]
        for folder in (_TERMS, _NO_TERMS)
    ]
    assert records[0].pop("model_arguments") == {"width_multiplier": _WIDTH}
    changes = {"consistency_weight": 0.0, "diversity_weight": 0.0}
    assert records[1].pop("model_arguments") == {"width_multiplier": _WIDTH, **changes}
    assert records[0] == records[1]
    assert (records[0]["seed"], records[0]["recipe"]["copies"]) == (_SEED, 4)


def test_the_data_file_says_what_was_run(conducted: Conducted) -> None:
    written = json.loads((conducted.setup.output / "path_consistency.json").read_text("utf-8"))
    assert written == json.loads(json.dumps(conducted.content))
    expected = {"study": "path_consistency", "model": _SMALL, "dataset": "digits", "epochs": 1, "seed": _SEED}
    assert {key: written[key] for key in expected} == expected
    assert_is_figure(conducted.setup.output / "path_consistency.png")
    assert written["recipe"]["name"] == "tiny" and written["model_arguments"] == {"width_multiplier": _WIDTH}
    assert {"keras", "tensorflow", "numpy"} <= set(written["versions"])


def test_consistent_images_are_those_of_one_route(conducted: Conducted) -> None:
    setup, content = conducted.setup, conducted.content
    # Digits are not flipped.
    assert (content["images"], content["image_versions"]) == (_IMAGES, ["crop", "rotation"])
    for row in content["rows"]:
        original, *versions = (routes(setup, row["folder"], each) for each in (None, "crop", "rotation"))
        kept = np.array([[tuple(x) == tuple(y) for x, y in zip(original, own, strict=True)] for own in versions])
        assert row["consistent"] == np.count_nonzero(kept[0] & kept[1])
        assert list(row["consistent_by_version"].values()) == kept.sum(axis=1).tolist()
        assert 0 < row["consistent"] < _IMAGES


def test_accuracies_are_of_the_originals_and_of_versions(conducted: Conducted) -> None:
    setup = conducted.setup
    for row in conducted.content["rows"]:
        assert list(row["accuracies"]) == ["original", "crop", "rotation"]
        for version, accuracy in row["accuracies"].items():
            own = images(setup, None if version == "original" else version)
            chosen = trained(setup, row["folder"]).predict(own, batch_size=_IMAGES, verbose=0).argmax(axis=1)
            assert accuracy == pytest.approx(np.mean(chosen == setup.dataset.test.labels))


def test_another_study_uses_the_same_runs(conducted: Conducted) -> None:
    before = state(conducted.setup.output)
    content = asked(conducted.setup, "made_consistent")
    assert state(conducted.setup.output) == before
    counts = [row["consistent"] for row in conducted.content["rows"]]
    assert [row["consistent"] for row in content["rows"]] == counts
    both = counts[0] - content["made_consistent"]
    assert both == counts[1] - content["made_inconsistent"]
    assert len(content["indices"]) == content["made_consistent"]
    versions = (None, "crop", "rotation")
    with_terms, without = (
        np.stack([routes(conducted.setup, folder, each) for each in versions], axis=1) for folder in (_TERMS, _NO_TERMS)
    )
    several = [
        (len(set(map(tuple, own))) > 1, len(set(map(tuple, other))) > 1)
        for own, other in zip(with_terms, without, strict=True)
    ]
    assert content["indices"] == [index for index, pair in enumerate(several) if pair == (False, True)]
    assert content["indices"]
    assert_is_figure(conducted.setup.output / "made_consistent.png")


def test_the_command_trains_nothing_twice_and_groups_images_by_the_routes_that_they_take(
    conducted: Conducted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = conducted.setup
    before = state(setup.output)
    monkeypatch.setattr(data, "load", lambda name, data_dir: setup.dataset)
    network = ["--model", _SMALL, "--width_multiplier", str(_WIDTH), "--seed", str(_SEED)]
    place = ["--recipe", str(conducted.recipe), "--output", str(setup.output)]
    assert main(["study", "grouped_by_route", *network, *place]) == 0
    printed = capsys.readouterr().out
    assert state(setup.output) == before
    assert f"1 of 1: as given, in {setup.output / _TERMS}\n" in printed
    assert f"{setup.output / _TERMS} is finished; nothing to do." in printed and "Images by route" in printed
    assert_is_grouped(setup, json.loads((setup.output / "grouped_by_route.json").read_text("utf-8")))
    assert_is_figure(setup.output / "grouped_by_route.png")


def assert_is_grouped(setup: Setup, content: dict[str, Any]) -> None:
    taken = ["".join(map(str, route)) for route in routes(setup, _TERMS, None)]
    assert Counter({row["route"]: row["count"] for row in content["rows"]}) == Counter(taken)
    assert content["distinct_routes"] == len(set(taken)) > 2
    for row in content["rows"]:
        members = [index for index, route in enumerate(taken) if route == row["route"]]
        assert row["examples"] == members[:8]
        names = Counter(setup.dataset.class_names[setup.dataset.test.labels[index]] for index in members)
        assert Counter(row["classes"]) == names
        assert row["executed_blocks"] == row["route"].count("1")
        labels = setup.dataset.test.labels
        first = {setup.dataset.class_names[labels[index]]: index for index in reversed(members)}
        assert row["examples_by_class"] == first


@pytest.mark.parametrize(
    ("shown", "count", "name"),
    [(1, 1, "the only route"), (5, 5, "all 5 routes"), (8, 1200, "8 most frequent of 1,200 routes")],
)
def test_a_title_names_the_routes_that_are_shown(shown: int, count: int, name: str) -> None:
    assert study_figures._name_routes(shown, count) == name


def test_operating_points_are_those_of_the_trained_network(conducted: Conducted) -> None:
    setup = conducted.setup
    # The network's own weight: the run that is there already.
    content = asked(setup, "trade_off", Variant("cost weight 0.05", {"cost_weight": 0.05}))
    (row,) = content["rows"]
    own = hard_routes(conducted.as_trained.routes(images(setup, None), batch_size=_IMAGES))
    assert row["executed_blocks"] == pytest.approx(own.sum(axis=1).mean())
    assert row["executed_macs"] == pytest.approx(
        conducted.as_trained.cost(images(setup, None), batch_size=_IMAGES).mean()
    )
    static = zoo.get("resnet8", width_multiplier=_WIDTH).static_cost
    assert content["static"] == {"label": "resnet8", "macs": static, "accuracy": None}
    assert row["executed_share"] == pytest.approx(row["executed_macs"] / static)
    assert (row["folder"], row["blocks"]) == (_TERMS, _SMALL_BLOCKS)
    assert_is_figure(setup.output / "trade_off.png")


def test_decisions_that_change_after_training_use_the_trained_weights(conducted: Conducted) -> None:
    setup = conducted.setup
    before = state(setup.output)
    variants = Variant("threshold", {}), Variant("bernoulli", {}, {"decision": "bernoulli"})
    content = asked(setup, "decision_rules", *variants)
    threshold, drawn = content["rows"]
    assert state(setup.output) == before
    assert drawn["folder"] == threshold["folder"] == _TERMS
    # Routers hardly trained are not sure: drawn decisions differ from image to image.
    assert drawn["distinct_routes"] > threshold["distinct_routes"] and 0 < drawn["executed_blocks"] < _SMALL_BLOCKS
    assert_is_figure(setup.output / "decision_rules.png")


def test_routes_are_counted_after_every_epoch(conducted: Conducted) -> None:
    content = asked(conducted.setup, "route_counts", Variant("margin 0.5", {"diversity_margin": 0.5}))
    (row,) = content["rows"]
    own = hard_routes(conducted.as_trained.routes(images(conducted.setup, None), batch_size=_IMAGES))
    assert row["distinct_routes"] == [len(np.unique(own, axis=0))]
    assert_is_figure(conducted.setup.output / "route_counts.png")


def test_a_log_without_counts_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss\n1,0.5\n", "utf-8")
    with pytest.raises(ValueError, match="log.csv counts no routes"):
        read_counts(tmp_path / "log.csv")


def test_routers_of_the_three_kinds_cost_what_their_equations_say() -> None:
    inputs = [16] * 6 + [32] * 5 + [64] * 4
    # Maps of 32, 16 and 8 pixels, which a convolution of stride 2 halves.
    places = {16: 16**2, 32: 8**2, 64: 4**2}
    linear = sum(16 * (channels + 2) for channels in inputs)
    recurrent = sum(10 * channels + 4 * 10 * 20 + 2 * 10 for channels in inputs)
    conv = sum(9 * channels**2 * places[channels] + 2 * channels for channels in inputs)
    for kind, expected in (("linear", linear), ("recurrent", recurrent), ("conv", conv)):
        assert count_router_macs(zoo.get(_MODEL, router=kind)) == expected
    assert count_router_macs(zoo.get(_SMALL, decision="first", keep=2)) == 0


def test_every_study_has_its_functions_and_folders_of_its_own() -> None:
    for each_study in STUDIES.values():
        assert all(map(callable, each_study.load_functions()))
        variants = each_study.variants(12, _BLOCKS) if callable(each_study.variants) else each_study.variants
        networks = {(folder_name(each.changes), *map(str, each.at_test.items())) for each in variants}
        labels = {each.label for each in variants}
        assert len(networks) == len(labels) == len(variants)


def test_rules_keep_a_number_and_routers_train_towards_its_share() -> None:
    variants = {each.label: each for each in STUDIES["decision_rules"].variants(12, _BLOCKS)}
    assert variants["threshold"].changes == variants["bernoulli"].changes == {"target": 0.8}
    assert variants["distributed 12"].changes == {"decision": "distributed", "keep": 12}


def test_rules_and_drawn_decisions_keep_what_the_paper_s_models_executed() -> None:
    setup = Setup("drn_resnet110", data.load("digits"), load_recipe("drn_quick"), Path("none"))
    # Table 3: K = 16 at the lower cost, 45 at the best accuracy.
    assert study._reported_keep(setup, STUDIES["decision_rules"].reported) == 16
    assert study._reported_keep(setup, STUDIES["sampled_decisions"].reported) == 45
    threshold, drawn = STUDIES["sampled_decisions"].variants(45, 54)
    assert threshold.changes == drawn.changes == {"target": 45 / 54} and drawn.at_test == {"decision": "bernoulli"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [({}, "default"), ({"cost_weight": 0.05}, "cost_weight_0.05"), ({"target": 16 / 54}, "target_0.2963")],
)
def test_a_folder_is_named_after_what_differs(changes: dict[str, Any], name: str) -> None:
    assert folder_name(changes) == name


def failed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 1
    return capsys.readouterr().err


def new(name: str, output: Path, model: str = _MODEL, *more: str) -> list[str]:
    return ["study", name, "--model", model, "--width_multiplier", "0.125", "--output", str(output / "new"), *more]


def test_a_wrong_name_lists_close_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = failed(new("trade_of", tmp_path), capsys)
    assert error == "tf-routing study: Unknown study 'trade_of'. Did you mean: trade_off?\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grouped_by_route", "resnet32"], "`model` must be a network that skips blocks"),
        (["route_counts", "basecnn"], "Unknown argument 'diversity_margin'"),
        (["trade_off", _MODEL, "--keep", "3"], "`keep` means nothing to the study 'trade_off'. Received: keep=3"),
        (["decision_rules", _SMALL, "--keep", "4"], "`keep` must be at most 3, the blocks there are. Received: keep=4"),
        (["decision_rules", _SMALL, "--keep", "0"], "`keep` must be a positive integer. Received: keep=0"),
        (["decision_rules", _SMALL], "`keep` must be given: the paper reports none for drn_resnet8"),
        (["trade_off", _MODEL, "--set", "betta=3"], "Unknown argument 'betta'. Did you mean: beta"),
        (["trade_off", _MODEL, "--seed", "-1"], "`seed` must be an integer of at least zero. Received: seed=-1"),
        (
            ["decision_rules", _SMALL, "--keep", "2", "--set", "router=recurrent"],
            "`router` counts only where routers decide",
        ),
    ],
)
def test_a_wrong_argument_is_known_before_anything_is_trained(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, model, *more = arguments
    assert message in failed(new(name, tmp_path, model, *more), capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_run_is_refused(conducted: Conducted) -> None:
    setup = conducted.setup._replace(seed=_SEED + 1)
    with pytest.raises(ValueError, match=r"default holds a run with other arguments: seed was 3, now 4"):
        train_variants(setup, [Variant("as given", {})])


def test_help_names_the_studies(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["study", "--help"])
    assert stopped.value.code == 0
    printed = "".join(capsys.readouterr().out.split())
    assert all(name in printed for name in list_studies())


def test_a_study_is_an_entry() -> None:
    assert list_studies() == [
        *("trade_off", "route_counts", "path_consistency", "grouped_by_route", "made_consistent"),
        *("router_kinds", "decision_rules", "sampled_decisions"),
    ]
    assert all(isinstance(each, Study) for each in STUDIES.values())
