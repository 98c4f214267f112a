"""The pages say what the data says, what they show runs, and what they link to is there."""

import re
from pathlib import Path

import pytest

from tests.snippets import run_snippet

_ROOT = Path(__file__).parent.parent
_DOCS = sorted(path.relative_to(_ROOT).as_posix() for path in (_ROOT / "docs").rglob("*.md"))
_PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "saved_models/README.md", *_DOCS]

# A file as `python FILE` runs it.
_PROGRAM = """
import runpy
import sys
from pathlib import Path

del sys.argv[0]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_tables_are_what_the_data_says() -> None:
    # Where they are not: run `python docs/tables.py`.
    run_snippet(_PROGRAM, _ROOT / "docs" / "tables.py", "--check")


def test_a_table_that_the_data_does_not_say_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("<!-- cold_start: -->\nold\n<!-- /cold_start -->\n", "utf-8")
    changed = _PROGRAM.replace(
        "runpy.run_path",
        f"import tables; tables.PAGES = (Path({str(page)!r}),); print(tables.main(), file=sys.stderr)\nsys.exit(1)\n"
        "runpy.run_path",
    )
    with pytest.raises(AssertionError, match=rf"python docs/tables.py. is run: {page}\n1\n"):
        run_snippet(changed, _ROOT / "docs" / "tables.py", "--check")


def test_the_readme_is_one_page() -> None:
    assert len((_ROOT / "README.md").read_text("utf-8").splitlines()) <= 110


def _list_links(page: str) -> list[str]:
    """The targets of the links of a page, pictures included, that lie in the repository."""
    text = re.sub(r"```.*?```|^    .*?$", "", (_ROOT / page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


def _list_anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, where a browser of repositories and the site's generator agree on them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = [re.sub(r"[`*]", "", heading) for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)]
    kept = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    repository = [re.sub(r"\s", "-", heading) for heading in kept]
    site = [re.sub(r"[-\s]+", "-", heading) for heading in kept]
    # Where headings repeat, the two number them in ways of their own.
    return {anchor for anchor in {*repository} & {*site} if repository.count(anchor) == site.count(anchor) == 1}


@pytest.mark.parametrize("page", _PAGES)
def test_every_linked_file_and_heading_exists(page: str) -> None:
    links = _list_links(page)
    assert links or page not in ("README.md", "docs/index.md")
    here, missing = _ROOT / page, []
    for link in links:
        path, _, anchor = link.partition("#")
        target = here.parent / path if path else here
        if not target.exists() or (anchor and anchor not in _list_anchors(target)):
            missing.append(link)
    assert missing == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        for link in _list_links(page):
            target = ((_ROOT / page).parent / link.partition("#")[0]).resolve()
            name = (target / "README.md" if target.is_dir() else target).relative_to(_ROOT).as_posix()
            if name.endswith(".md") and (_ROOT / name).exists() and name not in reached:
                ahead.append(name)
    assert [page for page in _PAGES if page not in reached] == []
