"""Writes docs/models.md from the models' cards, which are the only place where a score is kept.

python benchmarks/models_page.py
"""

from __future__ import annotations

from pathlib import Path

from runir.weights import list_models

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
HEAD = """# Models

Made from the cards by `benchmarks/models_page.py`. The scores are measured by `benchmarks/denoise.py` and
`benchmarks/restoration.py`, checked by `benchmarks/verify_cards.py`; tiles by `benchmarks/tiles_vs_whole.py`. PSNR in
dB; SSIM as defined in `runir.evaluation`.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for model in list_models():
        card = model.card
        length = f"{card.steps:,} steps, {card.gigapixels:g} Gpx; " if card.gigapixels else ""
        parts.append(
            f"\n## {card.name}\n\n{card.description}. {card.parameters:,} parameters, {card.macs_per_pixel:,} MACs per "
            f"pixel, tile {card.tile}, overlap {card.overlap}; tiled and whole agree to {card.tiled_psnr:.1f} dB or "
            f"better.\n\n- Training data: {card.training_data}\n"
            f"- Training: {length}{card.training}\n- Recipe: `{card.recipe}`\n"
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


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
