"""Decoys for training against rain: dark lines that belong to the scene.

To a network that only ever saw rain on photographs, twigs against the sky, wires, print and hatching on flat bright
ground are the gaps in a dense rain, and it darkens the ground between them. So some training pictures get such lines
before it rains, input and target alike. The ranges are ours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from runir.degradations.rain import Rain, RainLayer, rain

FloatPatch = NDArray[np.float32]


def dark_lines(scene: FloatPatch, rng: np.random.Generator) -> FloatPatch:
    """A scene with dark lines on it.

    Args:
        scene: H x W x C, sRGB-encoded in [0, 1], C 1 or 3.
        rng: source of the lines.

    Returns:
        float32, same shape, in [0, 1]. Every second one stands on flat bright ground instead of the scene.
    """
    if rng.random() < 0.5:
        scene = flat_ground(scene.shape, rng)
    layers = tuple(_lines(rng) for _ in range(int(rng.integers(1, 4))))
    # Rain is light on dark; in the negative it is dark on light.
    return 1.0 - rain(1.0 - scene, Rain(layers, "add" if rng.random() < 0.5 else "screen"), rng)


def flat_ground(shape: tuple[int, ...], rng: np.random.Generator) -> FloatPatch:
    """One bright colour, every second time fading towards one side by up to a third; float32, H x W x C in [0, 1]."""
    height, width, channels = shape
    colour = np.clip(rng.uniform(0.5, 1.0) + rng.uniform(-0.1, 0.1, channels), 0.0, 1.0).astype(np.float32)
    fade = rng.uniform(0.0, 1 / 3) if rng.random() < 0.5 else 0.0
    turn = rng.uniform(0.0, 2.0 * np.pi)
    y, x = np.linspace(-0.5, 0.5, height)[:, None], np.linspace(-0.5, 0.5, width)[None]
    slope = (0.5 + (y * np.cos(turn) + x * np.sin(turn)) / np.sqrt(2.0)).astype(np.float32)
    ground: FloatPatch = (1.0 - np.float32(fade) * slope)[..., None] * colour
    return ground


def _lines(rng: np.random.Generator) -> RainLayer:
    """Lines of one direction (wires, hatching) or of all (twigs, print), that leave most of the ground free."""
    length, width = np.exp(rng.uniform(np.log((3.0, 0.4)), np.log((250.0, 3.0)))).tolist()
    covered = float(np.exp(rng.uniform(np.log(0.003), np.log(0.15))))
    lines = RainLayer(
        1.0,
        length,
        angle=float(rng.choice((0.0, 90.0, rng.uniform(-90.0, 90.0)))),
        spread=float(rng.choice((0.0, 5.0, 40.0, 180.0))),
        width=width,
        brightness=rng.uniform(0.2, 1.0),
        sharp=bool(rng.random() < 0.5),
    )
    return replace(lines, density=covered / lines.covered)
