"""Sets the version in the model card of an export that is published under another one."""

import json
import os
from pathlib import Path

from tf_routing.support.files import whole_file


def write_version(folder: str | os.PathLike[str], version: int) -> None:
    """Writes a version into the card of an export; does nothing where there is no card, or it says so already.

    Checksums are the caller's to write anew.

    Args:
        folder: Folder of the export.
        version: Positive integer.

    Example:

    >>> import tempfile
    >>> from tf_routing.exporting.assets.card_version import write_version
    >>> write_version(tempfile.mkdtemp(), 7)
    """
    file = Path(folder) / "assets" / "card.json"
    try:
        card = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return
    if not isinstance(card, dict) or card.get("version") in (None, version):
        return
    from tf_routing.exporting.assets.card_facts import FORMAT
    from tf_routing.exporting.assets.card_files import card_files

    # What is not ours stays.
    if card.get("format") == FORMAT:
        card["version"] = version
        for name, text in card_files(card).items():
            with whole_file(Path(folder) / name) as temporary:
                temporary.write_text(text, "utf-8")
