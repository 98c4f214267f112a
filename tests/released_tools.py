"""The scripts beside the cards of released weights, as modules."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# They import each other as scripts of one folder do.
sys.path.insert(0, str(ROOT / "saved_models"))
release = importlib.import_module("release")
storing = importlib.import_module("storing")
sys.path.remove(str(ROOT / "saved_models"))
