"""Camera noise: shot and read noise of a Bayer sensor, seen through a small camera pipeline.

The picture is taken back to the sensor, noise is added there, and the noise travels the way to sRGB:
white balance, demosaicing, colour matrix, transfer function, tone curve, JPEG. So it depends on the
brightness, is correlated between neighbours and channels, and is coarser in chroma, as in real pictures
(Plötz and Roth, "Benchmarking Denoising Algorithms with Real Photographs", CVPR 2017, show why that matters).

Sources. Noise model: Foi et al., "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image
Raw Data", IEEE TIP 2008: variance = shot * x + read, both parts taken as Gaussian. Pipeline and ranges:
Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019. Left out: clipping in the sensor,
fixed patterns, quantisation of the raw data, the camera's own denoising and sharpening.
"""

import math
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from runir.degradations import bayer
from runir.degradations._picture import FloatPicture, Picture32, require_picture
from runir.degradations.jpeg import jpeg_round_trip
from runir.degradations.transfer import apply_tone_curve, linear_to_srgb, srgb_to_linear, undo_tone_curve
from runir.errors import UsageError

DemosaicOption = Literal["none", "bilinear", "malvar"]
DEMOSAIC_OPTIONS: tuple[DemosaicOption, ...] = get_args(DemosaicOption)


@dataclass(frozen=True)
class CameraNoise:
    """One setting of the camera; all values are for raw data in [0, 1].

    Attributes:
        shot: variance of the noise per unit of signal, >= 0 (1 / electrons at white).
        read: variance of the noise in the dark, >= 0.
        gains: red, green, blue factors from raw to white-balanced linear values, > 0; exposure included.
        saturation: s >= 0 of the matrix from camera colours to linear sRGB, (1 + s) I - (s / 2) (J - I), J
            all ones: gray stays, chroma is multiplied by 1 + 3 s / 2.
        demosaic: "bilinear" or "malvar" (see `bayer`), or "none": every pixel measures all colours, which
            leaves white noise, as in pictures made much smaller.
        phase: (row, column), each 0 or 1: where in the RGGB cell the top left pixel lies.
        tone_curve: whether the camera ends with a smoothstep contrast curve.
        jpeg_quality: libjpeg quality 1 to 100 of the final file, or None.

    Raises:
        UsageError: a value is out of its range.
    """

    shot: float
    read: float
    gains: tuple[float, float, float] = (2.7, 1.25, 2.1)
    saturation: float = 0.5
    demosaic: DemosaicOption = "malvar"
    phase: bayer.Phase = (0, 0)
    tone_curve: bool = False
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        for name in ("shot", "read", "saturation"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise UsageError(f"camera noise: {name} must be zero or more and finite, got {value}")
        if not all(0.0 < gain < math.inf for gain in self.gains):
            raise UsageError(f"camera noise: gains must be above zero and finite, got {self.gains}")
        if self.demosaic not in DEMOSAIC_OPTIONS:
            known = ", ".join(DEMOSAIC_OPTIONS)
            raise UsageError(f"camera noise: demosaic is one of {known}; got {self.demosaic}")
        if not {0, 1}.issuperset(self.phase):
            raise UsageError(f"camera noise: the phase is two of 0 and 1, got {self.phase}")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise UsageError(f"camera noise: JPEG quality is 1 to 100, got {self.jpeg_quality}")

    @classmethod
    def sample(cls, rng: np.random.Generator, *, shot: float | None = None) -> Self:
        """Draw a plausible camera.

        From Brooks et al. 2019: log(shot) uniform between log(1e-4) and log(0.012); log(read) =
        2.18 log(shot) + 1.2 + N(0, 0.26^2); red gain 1.9 to 2.4, blue gain 1.5 to 1.9, exposure
        1 / N(0.8, 0.1^2), the normal value kept in [0.5, 1.1]. Saturation 0.25 to 0.7 spans the four colour
        matrices of that paper's code (mean of the diagonal of camera-to-sRGB, less one). Ours by choice:
        demosaicing none 1/4, bilinear 1/4, malvar 1/2; any phase; tone curve in every second picture; JPEG in
        7 of 10, quality 75 to 98.

        Args:
            rng: source; the number of draws never depends on what is drawn.
            shot: fixes the shot noise (>= 0); the read noise follows it, and is zero where it is zero.

        Returns:
            The parameters.

        Raises:
            UsageError: `shot` is negative or not finite.
        """
        log_shot = rng.uniform(math.log(1e-4), math.log(0.012))
        if shot is not None and 0.0 < shot < math.inf:
            log_shot = math.log(shot)
        read = math.exp(2.18 * log_shot + 1.2 + rng.normal(0.0, 0.26))
        exposure = 1.0 / min(max(rng.normal(0.8, 0.1), 0.5), 1.1)
        red, blue = rng.uniform(1.9, 2.4), rng.uniform(1.5, 1.9)
        saturation, curve, jpeg = rng.uniform(0.25, 0.7), rng.random() < 0.5, rng.random() < 0.7
        demosaic: tuple[DemosaicOption, ...] = ("none", "bilinear", "malvar", "malvar")
        method, row, column, quality = (int(rng.integers(low, high)) for low, high in _INTEGERS)
        return cls(
            shot=math.exp(log_shot) if shot is None else shot,
            read=0.0 if shot == 0.0 else read,
            gains=(red * exposure, exposure, blue * exposure),
            saturation=saturation,
            demosaic=demosaic[method],
            phase=(row, column),
            tone_curve=curve,
            jpeg_quality=quality if jpeg else None,
        )


_INTEGERS = ((0, 4), (0, 2), (0, 2), (75, 99))


def camera_noise(clean: FloatPicture, params: CameraNoise, rng: np.random.Generator) -> Picture32:
    """Add camera noise to a finished picture.

    Only the noise is demosaiced, not the picture: result = encode(linear + colour(demosaic(noise))), where
    demosaic(noise) = demosaic(mosaic(raw) + noise) - demosaic(mosaic(raw)), since demosaicing is linear. So
    the noise has the right correlation and the picture stays as sharp as it is: without noise and JPEG it
    comes back unchanged. With one channel there is no mosaic and no colour: the noise is white and the
    green gain is used.

    Args:
        clean: H x W x C, sRGB-encoded, C 1 or 3, H, W >= 1; clipped to [0, 1].
        params: the camera.
        rng: source of the noise.

    Returns:
        The noisy picture, float32, same shape, in [0, 1]: clipped as a camera clips, so that deep shadows get
        a little brighter and highlights a little darker on average.

    Raises:
        UsageError: `clean` is not a picture.
    """
    require_picture(clean)
    linear = _linear(np.clip(clean, 0.0, 1.0), params)
    noisy = np.clip(linear + _linear_noise(linear, params, rng), 0.0, 1.0)
    encoded = linear_to_srgb(noisy)
    if params.tone_curve:
        encoded = apply_tone_curve(encoded)
    return encoded if params.jpeg_quality is None else jpeg_round_trip(encoded, params.jpeg_quality)


def _linear(encoded: FloatPicture, params: CameraNoise) -> Picture32:
    value = encoded.astype(np.float32)
    return srgb_to_linear(undo_tone_curve(value) if params.tone_curve else value)


def _linear_noise(linear: Picture32, params: CameraNoise, rng: np.random.Generator) -> Picture32:
    """The noise in linear sRGB, for a picture in linear sRGB; H x W x C."""
    if linear.shape[2] == 1:
        gain = np.float32(params.gains[1])
        return _sensor_noise(linear / gain, params, rng) * gain
    matrix = _colour_matrix(params.saturation)
    gains = np.array(params.gains, np.float32)
    raw = linear @ np.linalg.inv(matrix).T.astype(np.float32) / gains
    balanced: Picture32 = _raw_noise(raw, params, rng) * gains @ matrix.T.astype(np.float32)
    return balanced


def _raw_noise(raw: Picture32, params: CameraNoise, rng: np.random.Generator) -> Picture32:
    """The noise of the demosaiced raw picture. Made on a wider plane, so that borders are like the inside."""
    if params.demosaic == "none":
        return _sensor_noise(raw, params, rng)
    margin = (bayer.MARGIN, bayer.MARGIN)
    plane = bayer.mosaic(np.pad(raw, (margin, margin, (0, 0)), mode="edge"), params.phase)
    return bayer.demosaic(_sensor_noise(plane, params, rng), params.demosaic, params.phase)


def _sensor_noise(raw: Picture32, params: CameraNoise, rng: np.random.Generator) -> Picture32:
    """N(0, shot * raw + read), any shape; negative raw values (rounding) count as zero."""
    variance = np.float32(params.shot) * np.maximum(raw, np.float32(0.0)) + np.float32(params.read)
    noise: Picture32 = np.sqrt(variance) * rng.standard_normal(raw.shape, dtype=np.float32)
    return noise


def _colour_matrix(saturation: float) -> npt.NDArray[np.float64]:
    """Camera colours to linear sRGB; rows sum to one, so that gray stays gray."""
    matrix: npt.NDArray[np.float64] = np.eye(3) * (1.0 + 1.5 * saturation) - 0.5 * saturation
    return matrix
