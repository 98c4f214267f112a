"""What the site needs beyond `docs/`: files elsewhere in the repository that pages link to come along as copies."""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

_ROOT = Path(__file__).parent.parent
_COPIES = "repository"
_CONTRIBUTING = f"{_COPIES}/CONTRIBUTING.md"
# Text, target and anchor.
_LINK = re.compile(r"(\[[^\[\]]*\])\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds every file outside of `docs/` that a page links to, and those that it links to."""
    ahead = [page.src_uri for page in files.documentation_pages()] + [_CONTRIBUTING]
    seen = set(ahead)
    while ahead:
        uri = ahead.pop()
        path = _find_source(uri)
        if files.get_file_from_path(uri) is None:
            level = InclusionLevel.INCLUDED if uri == _CONTRIBUTING else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, uri, abs_src_path=str(_ROOT / path), inclusion=level))
        if uri.endswith(".md"):
            targets = {_find_target(path, link) for _, link, _ in _LINK.findall((_ROOT / path).read_text("utf-8"))}
            ahead += [target for target in targets if target and target not in seen]
            seen |= targets
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Points links that leave `docs/`, and all of pages from elsewhere, at where the files are on the site."""
    path, here = _find_source(page.file.src_uri), posixpath.dirname(page.file.src_uri)

    def point(link: re.Match[str]) -> str:
        target = _find_target(path, link[2])
        if target:
            return f"{link[1]}({posixpath.relpath(target, here or '.')}{link[3] or ''})"
        # A folder, which a site has no page for.
        return link[1][1:-1] if (_ROOT / posixpath.dirname(path) / link[2]).is_dir() else link[0]

    return _outside_fences(markdown, lambda text: _LINK.sub(point, text))


def _outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    parts = re.split(r"(^```.*?^```)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def _find_source(uri: str) -> str:
    """Where in the repository a file of the site comes from."""
    return uri.removeprefix(f"{_COPIES}/") if uri.startswith(f"{_COPIES}/") else f"docs/{uri}"


def _find_target(page: str, link: str) -> str | None:
    """Where on the site what a page links to is, or `None` if it is not of the repository."""
    if "://" in link or link.startswith(("/", "mailto:")):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if (_ROOT / path).is_dir():
        path = f"{path}/README.md"
    if not (_ROOT / path).is_file():
        return None
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{_COPIES}/{path}"
