"""Clean picture -> degraded picture, in NumPy: what the models are trained on and what protocols score.

A picture is floating point, H x W x C in [0, 1], sRGB-encoded, C 1 or 3 (docs: "Contracts"). Every function
takes its randomness from a `numpy.random.Generator`: the same generator state gives the same result.
"""

from runir.degradations.camera import CameraNoise, camera_noise
from runir.degradations.noise import awgn, gray_awgn
from runir.degradations.spec import Degradation, parse_degradation

__all__ = ["CameraNoise", "Degradation", "awgn", "camera_noise", "gray_awgn", "parse_degradation"]
