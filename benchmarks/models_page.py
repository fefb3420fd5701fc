"""Writes docs/models.md, and the table in README.md, from the models' cards, the only place where a score is kept.

python benchmarks/models_page.py
"""

from __future__ import annotations

from pathlib import Path

from runir.weights import Model, ModelCard, find_model, list_models

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "models.md", ROOT / "README.md"
BEGIN, END = "<!-- made by benchmarks/models_page.py -->\n", "<!-- until here -->\n"
SHOWN = (  # what a reader of the README wants to know, the task, and the score that says so
    ("noise of sigma 25, CBSD68", "denoise", ("CBSD68", "awgn-rgb", "awgn:25")),
    ("real camera noise, CC15", "photo", ("CC15", "rgb", "")),
    ("light rain, Rain100L", "derain", ("Rain100L", "y-float", "")),
    ("heavy rain, Rain100H", "derain", ("Rain100H", "y-float", "")),
    ("too dark, LOL", "lowlight", ("LOL eval15", "lol-rgb", "")),
    ("the same, right brightness given", "lowlight", ("LOL eval15", "lol-gtmean", "")),
    ("real camera shake, gray, Levin32", "deblur", ("Levin32", "shift", "")),
    ("made camera shake, Kodak24", "deblur", ("Kodak24-shake", "rgb", "")),
)
HEAD = """# Models

Made from the cards by `benchmarks/models_page.py`. The scores are measured by `benchmarks/denoise.py` and
`benchmarks/restoration.py`, checked by `benchmarks/verify_cards.py`; tiles by `benchmarks/tiles_vs_whole.py`.

Scores are PSNR in dB, and SSIM as defined in `runir.evaluation`; more is better, and one dB can be seen. "Input" is the
damaged picture's own score; 99 stands for equal pictures. Gpx: thousand million pixels seen in training.
"Tiled and whole agree" says how far a picture restored tile by tile is from one restored in one piece: from 50 dB on no
seam can be seen. (The pictures: those of `tests/data`, mirrored to 1100 pixels and lit from one corner.) For blur, rain
and low light the whole goes by the statistics that the tiles share, so those figures do not compare with the others.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    said: set[str] = set()
    for model in list_models():
        card = model.card
        length = f"{card.steps:,} steps, {card.gigapixels:g} Gpx; " if card.gigapixels else ""
        data = f"- Training data: {card.training_data}\n" if card.training_data not in said else ""
        said.add(card.training_data)
        parts.append(
            f"\n## {card.name}\n\n{card.description}. {card.parameters:,} parameters, {card.macs_per_pixel:,} MACs per "
            f"pixel, tile {card.tile}, overlap {card.overlap}; tiled and whole agree to {card.tiled_psnr:.1f} dB or "
            f"better.\n\n{_strip(card)}{data or f'- Training data: as of {_first(card)}'}"
            f"- Training: {length}{card.training}\n- Recipe: {_recipes(card)}\n"
            f"- Licence of the weights: {card.licence}\n\n"
            "| data | protocol | degradation | n | input | output | SSIM | baseline, or note |\n"
            "|---|---|---|---|---|---|---|---|\n"
        )
        for s in card.scores:
            baseline = f"{s.baseline_psnr:.2f} ({s.baseline})" if s.baseline_psnr is not None else s.note
            parts.append(
                f"| {s.data} | {s.protocol} | {s.degradation} | {s.n} | {s.input_psnr:.2f} | {s.psnr:.2f} "
                f"| {s.ssim:.4f} | {baseline} |\n"
            )
    return "".join(parts)


def _strip(card: ModelCard) -> str:
    """What the larger model of a task does to a sample, as a picture."""
    picture = PAGE.parent / "images" / f"{card.task}.webp"
    if not card.name.startswith("run-s.") or not picture.exists():
        return ""
    return f"![Left: damaged. Right: restored by {card.name}.](images/{picture.name})\n\n"


def _recipes(card: ModelCard) -> str:
    """The card's recipe, and the one before it, where it goes on from weights that bear the same name."""
    before = card.recipe.replace("/restart/", "/")
    return f"`{card.recipe}`" + (f", begun from what `{before}` made" if before != card.recipe else "")


def _first(card: ModelCard) -> str:
    """The first model on the page with these training data, as a line's end."""
    name = next(model.card.name for model in list_models() if model.card.training_data == card.training_data)
    return f"[{name}](#{name.replace('.', '')})\n"


def overview() -> str:
    """The README's table: both sizes of each task on its test, beside the damaged picture's own score."""
    rows = ["| test | input | `run-s` | `run-t` (`--fast`) |\n", "|---|---|---|---|\n"]
    for what, task, key in SHOWN:
        large, small = (_score(find_model(f"{size}.{task}"), key) for size in ("run-s", "run-t"))
        assert large[0] == small[0], f"{what}: the two sizes were scored on different pictures"
        rows.append(f"| {what} | {large[0]:.1f} | {large[1]:.1f} | {small[1]:.1f} |\n")
    return "".join(rows)


def _score(model: Model, key: tuple[str, str, str]) -> tuple[float, float]:
    """(input, output) in dB of the score with this data, protocol and degradation."""
    found = [s for s in model.card.scores if (s.data, s.protocol, s.degradation) == key]
    return found[0].input_psnr, found[0].psnr


def readme(text: str) -> str:
    """The README with the table of today's cards."""
    return between(text, BEGIN, overview())


def between(text: str, begin: str, made: str) -> str:
    """The text with what was made between its marks."""
    before, _, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    assert end, f"{begin.strip()} ... {END.strip()} is missing"
    return before + begin + made + END + after


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    README.write_text(readme(README.read_text("utf-8")), "utf-8")
