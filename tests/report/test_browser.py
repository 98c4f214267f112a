"""A browser opens the page without an error, and a click on an image shows its way; skipped where there is none."""

import html
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.chromium import BROWSER, needs_browser
from tests.report.runs import dataset, write_run
from tests.report.test_report import pictures_of
from tf_routing import data
from tf_routing.report.page import write_report

_CLICKS = """
<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
addEventListener("load", () => {
  const clicked = document.querySelectorAll("button[data-picture]")[2];
  clicked.focus();
  document.activeElement.click();
  const state = (id) => document.getElementById(id).textContent;
  const cells = [...document.querySelectorAll("td.mark")].map((each) => each.textContent).join("|");
  const first = [clicked.dataset.picture, state("panel-title"), state("panel-said"), cells];
  const pressed = document.querySelectorAll("[aria-pressed=true]").length;
  document.getElementById("next").click();
  const loaded = [...document.images].every((image) => image.loading === "lazy" || image.naturalWidth > 0);
  const wide = document.documentElement.scrollWidth > innerWidth;
  const requests = performance.getEntriesByType("resource").filter((each) => !each.name.startsWith("data:")).length;
  const told = [...first, state("panel-title"), pressed, loaded, wide, requests, errors.length].map(String);
  document.title = JSON.stringify(told);
});
</script>
"""

pytestmark = [pytest.mark.heavy, needs_browser, pytest.mark.usefixtures("eagerly")]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["paths", "skip", "tree", "static"])
def test_a_click_shows_the_way_of_an_image(
    kind: str, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", lambda *_: dataset())
    folder = write_run(tmp_path / "run", kind)
    write_report(str(folder), folder / "report.html")
    text = (folder / "report.html").read_text("utf-8")
    # Before the page's own script, so that its errors are heard.
    clicked = tmp_path / "clicked.html"
    clicked.write_text(text.replace("<title>", f"{_CLICKS}<title>", 1), "utf-8")
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", "--dump-dom", clicked.as_uri()]
    seen = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout
    (title,) = re.findall(r"<title>(\[.*?\])</title>", seen)
    index, shown, said, cells, after, pressed, loaded, wide, requests, errors = json.loads(html.unescape(title))
    picture = pictures_of(folder)[index]
    assert (shown, said) == (picture["title"], picture["said"])
    values = [cell for cell in cells.split("|") if cell or kind == "tree"] if picture["values"] else []
    assert len(values) == len(picture["values"])
    for cell, value in zip(values, picture["values"], strict=True):
        wanted = {"paths": f"{value:.2f}", "skip": "ran" if value else "left out"}
        assert cell == wanted.get(kind, cell) and (kind != "tree" or (cell in ("ran", "left here")) == bool(value))
    assert after != shown and pressed == "1"
    assert (loaded, wide, requests, errors) == ("true", "false", "0", "0")
