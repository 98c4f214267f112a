"""Every paper whose networks are here can be cited, and what is said of it is said alike."""

import json
from pathlib import Path

import pytest
import yaml

import tf_routing
from tf_routing.cli.main import main
from tf_routing.support.package_files import read_package_file
from tf_routing.zoo.cards import read_data
from tf_routing.zoo.papers import find_paper, write_bibtex

_ROOT = Path(__file__).parents[2]
_TITLES = [row["title"] for row in json.loads(read_package_file("tf_routing.zoo", "papers.json"))]
# Of rows that only quote another paper nothing is built.
_BUILT = {row["paper"] for row in read_data("reported.json") if row["architecture"]}


def test_papers_are_those_whose_rows_the_zoo_builds() -> None:
    # Whoever adds networks of another paper adds it to papers.json.
    assert _BUILT and set(_TITLES) >= _BUILT


def test_the_modules_name_the_same_papers() -> None:
    code = "".join(path.read_text("utf-8") for path in (_ROOT / "tf_routing" / "zoo" / "builders").rglob("*.py"))
    code = " ".join(code.split())
    for title in sorted(_BUILT):
        paper = find_paper(title)
        assert f"arXiv:{paper.arxiv}" in code, title
        if f"*{title}*" in code:
            assert f"({paper.year}), *{title}*, arXiv:{paper.arxiv}" in code


def test_an_unknown_title_is_refused() -> None:
    with pytest.raises(ValueError, match="`title` must be one of .*Received: title='Other'"):
        find_paper("Other")


def test_the_citation_file_says_the_same() -> None:
    citation = yaml.safe_load((_ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == tf_routing.__version__
    for each in citation["references"]:
        paper = find_paper(each["title"])
        assert [f"{who['family-names']}, {who['given-names']}" for who in each["authors"]] == paper.authors
        assert (each["year"], each["identifiers"][0]["value"]) == (paper.year, f"arXiv:{paper.arxiv}")


def test_the_card_tells_how_to_cite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "drn_resnet32"]) == 0
    assert "Paper: Wang et al. (2020), Dynamic Routing with Path Diversity" in capsys.readouterr().out
    assert main(["card", "drn_resnet32", "--bibtex"]) == 0
    printed = capsys.readouterr().out
    entry = write_bibtex(find_paper("Dynamic Routing with Path Diversity and Consistency for Compact Network Learning"))
    assert printed == entry + "\n" and printed.count("{") == printed.count("}")
    # A network of two papers names both.
    assert main(["card", "resnet110", "--bibtex"]) == 0
    assert capsys.readouterr().out.count("@misc{") == 2
