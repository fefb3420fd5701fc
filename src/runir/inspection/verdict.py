"""What is wrong with a picture: measure it, apply the rules, say it in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress

import numpy as np

from runir.errors import UsageError
from runir.inference import Restorer
from runir.inspection.coefficients import RULES
from runir.inspection.crops import (
    Pixels,
    Seen,
    check_pixels,
    is_gray,
    reduce_whole,
    shows_something,
    take_crops,
    usable,
)
from runir.inspection.darkness import Brightness, brightness
from runir.inspection.features import Detail, features, measure_detail
from runir.inspection.findings import Blur, Darkness, Findings, Noise, NoiseKind, Rain

TOO_SMALL = "too few pixels to tell"
BLACK = 2.0 / 255.0  # luma below which there is nothing to brighten
FLAT = 6.0  # rise of the strongest edges in 8-bit levels, below which there is nothing to judge sharpness by
MOST_NOISE = 100.0  # sigma in 8-bit levels: clipped to [0, 255], more cannot be seen; print on white reads as 160
DARK_LINES = 0.7  # bright over dark thin lines, below which they are not rain, which is lighter than what is behind it
CLEAR_DIRECTION = 1.6  # how much steeper edges must be in one direction than in another to call it a direction


def inspect(pixels: Pixels, network: Callable[[], Restorer] | None = None) -> Findings:
    """Look for noise, darkness, motion blur and rain in a picture.

    Args:
        pixels: H x W x C, floating point, sRGB-encoded in [0, 1], C 1 or 3, H, W >= 1; values beyond are clipped. At
            most about half a million pixels are looked at, whatever the size.
        network: see `washed.light_washed_away`.

    Returns:
        The findings; see `plan.plan_tasks` for what follows from them.

    Raises:
        UsageError: `pixels` is not a picture.
    """
    check_pixels(pixels)
    return inspect_parts(take_crops(pixels), reduce_whole(pixels), network)


def inspect_parts(
    crops: Sequence[Pixels],
    reduced: Pixels,
    network: Callable[[], Restorer] | None = None,
    seen: Sequence[Seen] | None = None,
) -> Findings:
    """The same for callers that never hold the whole picture.

    Args:
        crops: full-size parts, H x W x C each; `crops.crop_boxes` says which. Parts narrower than 64 pixels
            are left out; without others, only darkness is looked for. So are those of one even colour, if others are
            not.
        reduced: the whole picture made smaller (`crops.reduce_whole`), for its brightness.
        network: see `washed.light_washed_away`.
        seen: of each crop, H x W, what can be seen of it (not transparent); None: all. Elsewhere it must look like its
            surroundings.

    Returns:
        The findings.

    Raises:
        UsageError: a part is not a picture.
    """
    for part in (*crops, reduced):
        check_pixels(part)
        if not np.isfinite(part).all():
            raise UsageError("the picture holds values that are not finite; make them numbers in [0, 1] first")
    if all(is_gray(part) for part in (*crops, reduced)):
        crops, reduced = [crop[:, :, :1] for crop in crops], reduced[:, :, :1]
    light, large = brightness(reduced), [usable(crop) for crop in crops]
    shown = [size and shows_something(crop) for size, crop in zip(large, crops, strict=True)]
    large = shown if any(shown) else large
    seen = seen if seen is None else list(compress(seen, large))
    detail = measure_detail(list(compress(crops, large)), network, seen) if any(large) else None
    values = features(detail, light)
    return Findings(
        noise=_noise(detail, values),
        darkness=_darkness(light, values),
        blur=_blur(detail, values),
        rain=_rain(detail, values),
    )


def _noise(detail: Detail | None, values: dict[str, float]) -> Noise:
    rules = RULES["white"], RULES["camera"]
    if detail is None:
        return Noise(0.0, rules[0].threshold, TOO_SMALL)
    score, rule = max(((rule.score(values), rule) for rule in rules), key=lambda pair: pair[0] - pair[1].threshold)
    levels = detail.noise
    white = is_white(detail)
    sigma = levels.sigma if white else levels.overall
    about = f"sigma about {sigma:.0f} of 255" if sigma >= 1.5 else f"sigma about {sigma:.1f} of 255"
    if sigma > MOST_NOISE:
        return Noise(0.0, rule.threshold, "none to be told from lines that are everywhere", sigma)
    if score < rule.threshold:
        return Noise(score, rule.threshold, f"little ({about})", sigma)
    kind: NoiseKind = "white" if white else "camera"
    look = "alike at all frequencies" if white else "coarse or uneven, as cameras and JPEG leave it"
    return Noise(score, rule.threshold, f"{about}, {look}", sigma, kind)


def is_white(detail: Detail) -> bool:
    """Whether noise has about the same energy at all frequencies: in light, and in colour as well if there is any."""
    n = detail.noise
    colourless = n.gray or n.colour_high < 0.2 * n.light_high
    in_colour = n.colour_low < (0.2 * n.light_high if colourless else 1.35 * n.colour_high + 1.5)
    in_light = n.light_mid < 1.35 * n.light_high + 2.0
    even = 0.67 < n.dark_to_bright < 1.5
    return in_light and in_colour and even and detail.jpeg < 0.5


def _darkness(light: Brightness, values: dict[str, float]) -> Darkness:
    rule = RULES["darkness"]
    score = rule.score(values)
    shown = light.mean, light.median, light.brightest
    if light.brightest < BLACK:
        return Darkness(0.0, rule.threshold, "black throughout: nothing to brighten", *shown)
    half = f"half of the pixels are below {100 * light.median:.0f}% of white, 99% below {100 * light.brightest:.0f}%"
    text = f"under-exposed: {half}" if score >= rule.threshold else f"well exposed ({half})"
    return Darkness(score, rule.threshold, text, *shown)


def _blur(detail: Detail | None, values: dict[str, float]) -> Blur:
    rule = RULES["blur"]
    if detail is None:
        return Blur(0.0, rule.threshold, TOO_SMALL)
    if detail.edges.rise < max(FLAT, 3.0 * detail.noise.sigma):
        return Blur(0.0, rule.threshold, "no edges to judge by")
    score = rule.score(values)
    pixels = blur_pixels(detail)
    if score < rule.threshold:
        return Blur(score, rule.threshold, f"no motion (the best edges rise over about {pixels:.0f} pixels)", pixels)
    direction = detail.edges.direction if detail.edges.uneven >= CLEAR_DIRECTION else None
    where = "in no clear direction" if direction is None else f"mostly at {direction} degrees from the horizontal"
    return Blur(score, rule.threshold, f"motion over about {pixels:.0f} pixels, {where}", pixels, direction)


def blur_pixels(detail: Detail) -> float:
    """Over how many pixels the best edges rise, in the direction where they are least steep; 2 or more."""
    return float(np.clip(2.0 / detail.edges.long, 2.0, 64.0))


def _rain(detail: Detail | None, values: dict[str, float]) -> Rain:
    rule = RULES["rain"]
    if detail is None:
        return Rain(0.0, rule.threshold, TOO_SMALL)
    score, lines = rule.score(values), detail.rain.fine
    if max(lines.surplus, detail.rain.coarse.surplus) < DARK_LINES:
        return Rain(0.0, rule.threshold, "no streaks (thin lines are darker than what is around them)", lines.angle)
    ratio = f"bright thin lines are {lines.surplus:.1f} times as strong as dark ones"
    takes = f"removing rain would take {max(0.0, detail.washed.calm):.1f} of 255 levels of light"
    if score < rule.threshold:
        return Rain(score, rule.threshold, f"no streaks ({ratio}, {takes})", lines.angle)
    lean = f"about {abs(lines.angle)} degrees from the vertical" if lines.angle else "about vertical"
    return Rain(score, rule.threshold, f"streaks, {lean}: {ratio}, {takes}", lines.angle)
