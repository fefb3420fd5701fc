"""docs/models.md and the README's table say what the cards say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_is_made_from_the_cards() -> None:
    module = runpy.run_path(str(ROOT / "benchmarks" / "models_page.py"))
    assert (ROOT / "docs" / "models.md").read_text("utf-8") == module["page"]()
    text = (ROOT / "README.md").read_text("utf-8")
    assert text == module["readme"](text)
