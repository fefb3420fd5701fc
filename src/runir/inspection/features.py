"""All that is measured of a picture, and the numbers that the rules weigh."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runir.inference import Restorer
from runir.inspection.blocks import jpeg_traces
from runir.inspection.crops import Pixels, Seen
from runir.inspection.darkness import Brightness
from runir.inspection.edges import Edges, edges
from runir.inspection.noise import NoiseLevels, noise_levels
from runir.inspection.streaks import RainSigns, Streaks, rain_signs
from runir.inspection.washed import Washed, light_washed_away


@dataclass(frozen=True, slots=True)
class Detail:
    """What full-size crops show."""

    noise: NoiseLevels
    edges: Edges
    rain: RainSigns
    jpeg: float
    washed: Washed


def measure_detail(
    crops: Sequence[Pixels], network: Callable[[], Restorer] | None = None, seen: Sequence[Seen] | None = None
) -> Detail:
    """Measure crops, H x W x C in [0, 1], each at least 64 x 64. network: see `light_washed_away`; seen: see
    `noise_levels`."""
    washed = light_washed_away(crops, network)
    return Detail(noise_levels(crops, seen), edges(crops), rain_signs(crops), jpeg_traces(crops), washed)


def features(detail: Detail | None, light: Brightness) -> dict[str, float]:
    """Named numbers for the rules: mostly logarithms, so that factors add up; without detail, of brightness alone."""
    found = {
        "mean": math.log(0.02 + light.mean),
        "bright": math.log(0.02 + light.bright),
        "brightest": math.log(0.02 + light.brightest),
    }
    if detail is None:
        return found
    n, e = detail.noise, detail.edges
    levels = {
        "sigma": n.sigma,
        "light_mid": n.light_mid,
        "light_high": n.light_high,
        "colour_low": n.light_high if n.gray else n.colour_low,  # a gray picture has no colour to look at
        "colour_mid": n.light_high if n.gray else n.colour_mid,
    }
    found |= {name: math.log(0.3 + level) for name, level in levels.items()}
    found |= {
        "texture_mid": math.log(n.texture_mid),
        "texture_low": math.log(n.texture_low),
        "texture_high": math.log(n.texture_high),
        "jpeg": detail.jpeg,
        "short": math.log(e.short),
        "typical": math.log(e.typical),
        "uneven": math.log(e.uneven),
        "rise": math.log(5.0 + e.rise),
        "upright": math.log(detail.rain.upright),
        "upright_calm": math.log(detail.rain.upright_calm),
        "washed": math.log(0.5 + max(0.0, detail.washed.calm)),
        "washed_half": math.log(0.5 + max(0.0, detail.washed.half)),
    }
    return found | _of_streaks(detail.rain.fine, "") | _of_streaks(detail.rain.coarse, "wide_")


def _of_streaks(s: Streaks, prefix: str) -> dict[str, float]:
    excess = {name: getattr(s, name) for name in ("calm", "half", "across")}
    found = {name: math.asinh(5.0 * value) for name, value in excess.items()}
    found |= {
        "ridges": math.log(0.1 + s.ridges),
        "surplus": math.log(s.surplus),
        "leaning": math.log(s.leaning),
    }
    return {prefix + name: value for name, value in found.items()}
