"""Clean picture -> degraded picture, in NumPy: what the models are trained on and what protocols score.

A picture is floating point, H x W x C in [0, 1], sRGB-encoded, C 1 or 3 (docs: "Contracts"). Every function
takes its randomness from a `numpy.random.Generator`: the same generator state gives the same result.
"""

from runir.degradations.blur import MotionBlur, MotionBlurs, motion_blur
from runir.degradations.camera import CameraNoise, camera_noise
from runir.degradations.lowlight import LowLight, LowLights, low_light
from runir.degradations.noise import awgn, gray_awgn
from runir.degradations.rain import Rain, RainLayer, Rains, rain
from runir.degradations.spec import Degradation, Drawn, parse_degradation

__all__ = [
    "CameraNoise",
    "Degradation",
    "Drawn",
    "LowLight",
    "LowLights",
    "MotionBlur",
    "MotionBlurs",
    "Rain",
    "RainLayer",
    "Rains",
    "awgn",
    "camera_noise",
    "gray_awgn",
    "low_light",
    "motion_blur",
    "parse_degradation",
    "rain",
]
