"""Writes the folder of a page that runs networks in a browser: files alone, which any web server can serve."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from tf_routing import __version__
from tf_routing.browser.networks import RELEASED, PageNetwork, add_network, add_released
from tf_routing.browser.runtime import MODULE, Runtime
from tf_routing.browser.ways import Way, find_ways
from tf_routing.prediction.picture_search import find_pictures
from tf_routing.report.markup import escape, paragraph
from tf_routing.support.files import whole_folder
from tf_routing.support.package_files import read_package_file

PAGE, FACTS = "index.html", "networks.json"
"""The page, and what its scripts read of its networks."""

MOST_PICTURES = 24
"""Pictures that a page has for who has none at hand."""

_FORMAT, _SCRIPTS = 1, ("page.js", "network.js", "picture.js", "drawing.js", "answer.js")


class Contents(NamedTuple):
    """What a page is made of.

    Args:
        networks: Folders of runs, `.keras` files, or `.onnx` files that skip; the released networks where empty.
        pictures: Files, and folders of which all pictures count, to choose from on the page.
        budget: Share of the static cost that networks execute on average; see `RoutedModel.set_budget`.
    """

    networks: Sequence[str] = ()
    pictures: Sequence[str] = ()
    budget: float | None = None


def write_page(output: str, runtime: Runtime, contents: Contents) -> list[PageNetwork]:
    """Writes the folder of a page; it is there whole, or not at all.

    Args:
        output: The folder, which must not exist or be empty.
        runtime: ONNX Runtime Web, as `find_runtime` returns it.
        contents: What the page shows.

    Returns:
        The networks of the page.

    Raises:
        FileExistsError: If there is something in the folder.
        FileNotFoundError: If a network or a picture is not there.
        ValueError: If a network skips nothing, or is none.
    """
    pictures = _choose_pictures(contents.pictures)
    with whole_folder(output) as folder:
        networks = list(_add_networks(folder, contents))
        shown = _copy_pictures(pictures, folder)
        (folder / "runtime").mkdir()
        for name, content in runtime.files.items():
            (folder / "runtime" / name).write_bytes(content)
        (folder / "runtime" / "LICENSE").write_text(_read("onnxruntime.txt"), "utf-8")
        ways = [find_ways(network.choices, network.tree) for network in networks]
        facts = {
            "format": _FORMAT,
            "runtime": f"./runtime/{MODULE}",
            "networks": [_describe(network, way) for network, way in zip(networks, ways, strict=True)],
            "pictures": shown,
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        for name in _SCRIPTS:
            (folder / name).write_text(_read(name), "utf-8")
        (folder / "style.css").write_text(
            read_package_file("tf_routing.report", "page.css") + _read("style.css"), "utf-8"
        )
        (folder / PAGE).write_text(_fill_page(networks, ways, runtime.version), "utf-8")
    # They have moved since.
    return [network._replace(file=Path(output, network.file.name)) for network in networks]


def _choose_pictures(paths: Sequence[str]) -> list[str]:
    found = find_pictures(paths)[0] if paths else []
    if len(found) > MOST_PICTURES:
        raise ValueError(f"`pictures` must be at most {MOST_PICTURES}: they lie side by side. Received: {len(found)}")
    return found


def _add_networks(folder: Path, contents: Contents) -> list[PageNetwork]:
    files = (folder / f"network_{number}.onnx" for number in range(1, 1 + max(len(contents.networks), len(RELEASED))))
    if not contents.networks:
        if contents.budget is not None:
            raise ValueError(
                "`budget` is there for networks that are named; the released ones have one threshold. Received: "
                f"budget={contents.budget!r}"
            )
        return [add_released(*each, file) for each, file in zip(RELEASED, files, strict=True)]
    return [add_network(path, file, contents.budget) for path, file in zip(contents.networks, files, strict=False)]


def _copy_pictures(pictures: Sequence[str], folder: Path) -> list[dict[str, str]]:
    shown, stems = [], [Path(picture).stem for picture in pictures]
    for number, picture in enumerate(map(Path, pictures), 1):
        file = f"picture_{number}{picture.suffix.lower()}"
        shutil.copyfile(picture, folder / file)
        # In folders of classes pictures are often numbered alike.
        name = picture.stem if stems.count(picture.stem) == 1 else f"{picture.parent.name}/{picture.stem}"
        shown.append({"file": file, "name": name})
    return shown


def _describe(network: PageNetwork, ways: Sequence[Way]) -> dict[str, Any]:
    """Returns what the page's scripts read of a network."""
    classifier, framing = network.classifier, network.classifier.framing
    return {
        "title": network.title,
        "file": network.file.name,
        "size": list(framing.size),
        "least_sides": list(framing.least_sides),
        "keeps_ratio": framing.resize is None,
        "channels": classifier.channels,
        "range": list(classifier.input_range),
        "classes": list(classifier.class_names),
        "static_macs": network.static_macs,
        "ink": network.ink._asdict(),
        "diagrams": [way.marks for way in ways],
    }


def _fill_page(networks: Sequence[PageNetwork], ways: Sequence[Sequence[Way]], runtime: str) -> str:
    titles = [escape(network.title) for network in networks]
    return Template(_read(PAGE)).substitute(
        networks="\n".join(
            f'<label><input type="radio" name="network" value="{number}"{" checked" if not number else ""}> {title}'
            "</label>"
            for number, title in enumerate(titles)
        ),
        ways="\n".join(_write_ways(number, each) for number, each in enumerate(ways)),
        version=escape(__version__),
        runtime=escape(runtime),
    )


def _write_ways(network: int, ways: Sequence[Way]) -> str:
    """Returns the diagrams of a network, which the page shows while the network is chosen."""
    shown = "\n".join(
        f'<div data-diagram="{number}">{way.diagram.markup}{paragraph(way.diagram.about, kind="note")}</div>'
        for number, way in enumerate(ways)
    )
    return f'<div data-network="{network}"{" hidden" if network else ""}>\n{shown}\n</div>'


def _read(name: str) -> str:
    return read_package_file("tf_routing.browser", f"page/{name}")
