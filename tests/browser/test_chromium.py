"""In a real browser a page gives the answers that ONNX Runtime gives in Python; skipped where there is no browser."""

import json
import os
import subprocess
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from tests.chromium import BROWSER, needs_browser
from tests.report.runs import CLASSES
from tests.skip_net import skip_model
from tf_routing.browser.page import Contents, write_page
from tf_routing.browser.runtime import find_runtime
from tf_routing.browser.server import PageHandler
from tf_routing.data import load
from tf_routing.exporting.onnx import export_onnx
from tf_routing.prediction import load_classifier, predict_pictures

_PROBE = Path(__file__).with_name("probe.js")
# Before the page's own scripts, so that their errors are heard.
_EARLY = """
globalThis.errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
"""

pytestmark = [pytest.mark.heavy, needs_browser]


class _Handler(PageHandler):
    """Serves a page with a visitor in it, what it gives, and hears what it tells."""

    def __init__(self, *arguments, given: Path, told: list, heard: threading.Event, **options) -> None:
        self.given, self.told, self.heard = given, told, heard
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        if self.path == "/":
            page = Path(self.directory, "index.html").read_text("utf-8")
            page = page.replace("<title>", '<script src="early.js"></script><title>')
            self._answer(page.replace("</body>", '<script type="module" src="probe.js"></script></body>'), "text/html")
        elif self.path in ("/early.js", "/probe.js"):
            self._answer(_EARLY if "early" in self.path else _PROBE.read_text("utf-8"), "text/javascript")
        elif self.path.startswith("/given/"):
            self._answer((self.given / self.path.removeprefix("/given/")).read_bytes(), "image/png")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer("", "text/plain")
        self.heard.set()

    def _answer(self, content: str | bytes, kind: str) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def visit(page: Path, given: Path, profile: Path, width: int) -> dict[str, Any]:
    """Opens a page in a browser of a width, does what `probe.js` does, and returns what it saw."""
    told: list[dict] = []
    heard = threading.Event()
    handler = partial(_Handler, given=given, told=told, heard=heard, directory=str(page))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
        words += [f"--user-data-dir={profile}", f"http://127.0.0.1:{server.server_port}/"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            heard.wait(300)
            browser.terminate()
        server.shutdown()
    assert told, "The browser told nothing."
    assert "error" not in told[0], told[0]
    return told[0]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pictures: a digit of the size of networks, a photograph that is wider, and one that is higher."""
    folder = tmp_path_factory.mktemp("given")
    photograph = load_sample_image("china.jpg")
    pictures = {
        "digit.png": load("digits").test.images[5],
        "wide.png": photograph,
        "high.png": photograph[:331, 100:218],
        "small.png": photograph[40:60, 200:219],
    }
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / name)
    (folder / "names.json").write_text(json.dumps(list(pictures)))
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of the released networks, and of one that takes grey images in a range of its own."""
    folder = tmp_path_factory.mktemp("browser")
    try:
        runtime = find_runtime()
    except OSError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    write_page(str(folder / "released"), runtime, Contents())
    model = skip_model(3, shape=(24, 16, 1))
    export_onnx(model, folder / "grey.onnx", class_names=CLASSES, crop=0.8)
    file = onnx.load(folder / "grey.onnx")
    file.metadata_props.add(key="input_range", value="[-1.0, 1.5]")
    onnx.save(file, folder / "grey.onnx")
    networks = [*map(str, sorted((folder / "released").glob("*.onnx"))), str(folder / "grey.onnx")]
    write_page(str(folder / "page"), runtime, Contents(networks))
    return folder / "page"


@pytest.fixture(scope="module", params=[500, 1280])
def told(
    page: Path, given: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Any]:
    """What a browser of a phone's width, and of a desk's, saw."""
    return visit(page, given, tmp_path_factory.mktemp("profile"), request.param)


def test_a_browser_answers_as_python_does(told: dict[str, Any], page: Path, given: Path) -> None:
    facts = json.loads((page / "networks.json").read_text("utf-8"))
    names = json.loads((given / "names.json").read_text("utf-8"))
    costs = set()
    for network, seen in zip(facts["networks"], told["pictures"], strict=True):
        classifier = load_classifier(str(page / network["file"]))
        for answer in predict_pictures(classifier, [str(given / name) for name in names]):
            shown = seen[Path(answer.path).name]
            np.testing.assert_allclose(shown["probabilities"], answer.probabilities, atol=1e-4, rtol=0)
            assert shown["names"] == network["classes"]
            assert shown["said"].startswith(f"{network['classes'][answer.probabilities.argmax()]}, ")
            assert f"{answer.macs:,} of {network['static_macs']:,} MACs" in shown["cost"]
            assert shown["share"] == pytest.approx(answer.macs / network["static_macs"])
            marks = [mark for diagram in network["diagrams"] for mark in diagram]
            on = [all(answer.switches[name][choice] == 1 for name, choice in mark["when"]) for mark in marks]
            assert shown["on"] == on
            words = {("part", True): "ran", ("part", False): "left out", ("column", False): "not reached"}
            states = zip(marks, on, shown["states"], strict=True)
            assert all(state == words.get((mark["kind"], each), state) for mark, each, state in states)
            costs.add((network["file"], answer.macs))
    # Pictures differ in what they cost, else nothing was compared.
    assert len(costs) > len(facts["networks"])
    assert told["errors"] == [] and told["foreign"] == []


def test_digits_are_drawn_with_keys_and_with_a_pointer(told: dict[str, Any]) -> None:
    assert {digit: shown["said"].partition(",")[0] for digit, shown in told["digits"].items()} == {
        digit: digit for digit in "01234"
    }
    assert told["drawn"]["said"].startswith("3, ") and told["drawn"]["heard"].startswith("your digit: 3, ")
    assert len(told["earlier"]) == 4 + 5 + 1 and told["shares"] == sorted(told["shares"])
    assert told["unnamed"] == 0 and told["wide"] is False
    assert "names.json could not be read as a picture" in told["failure"] and told["state"] == ""
