"""What can be read with an extra installed: HEIC (`pi-heif`, a decoder alone) and camera raw (`rawpy`)."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from runir.images.boxes import cicp
from runir.images.decode import ArrayRows
from runir.images.depth import spread
from runir.images.embedded import Embedded, from_blocks
from runir.images.headers import Header, check_size
from runir.images.messages import UnfitError, reason

DEVELOPED = "developed from camera raw to 16-bit sRGB with the camera's white balance"


def read_heic(file: BinaryIO, header: Header, max_pixels: int) -> tuple[ArrayRows, Embedded]:
    """Decode the main picture of an open HEIC file, whole and upright.

    Raises UnfitError when the extra is missing, and for damaged or too large pictures.
    """
    try:
        import pi_heif
    except ImportError as fault:
        raise UnfitError("HEIC cannot be read yet", "pip install 'runir[heic]'") from fault
    try:
        file.seek(0)
        heif = pi_heif.open_heif(file, convert_hdr_to_8bit=False)
        check_size(header, heif.size, max_pixels)
        bits = int(heif.info.get("bit_depth", 8))
        samples = np.array(heif)  # a copy: the decoder frees its own
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError) as fault:
        raise UnfitError(f"the HEIC data are damaged, cut off or of a rare kind ({reason(fault)})") from fault
    if samples.ndim == 2:
        samples = samples[..., None]
    nclx = heif.info.get("nclx_profile")
    colours = cicp(nclx["color_primaries"], nclx["transfer_characteristics"]) if nclx else None
    found = from_blocks(heif.info.get("exif"), heif.info.get("xmp"), heif.info.get("icc_profile"), colours)
    if samples.dtype == np.uint16:
        return ArrayRows(spread(samples, bits), bits), found
    return ArrayRows(samples, 8), found


def read_raw(path: Path, header: Header, max_pixels: int) -> ArrayRows:
    """Develop a camera raw file: 16-bit sRGB, the camera's white balance, upright.

    Raises UnfitError when the extra is missing, and for damaged or too large pictures.
    """
    try:
        import rawpy
    except ImportError as fault:
        raise UnfitError("camera raw cannot be read yet", "pip install 'runir[raw]'") from fault
    try:
        with rawpy.imread(str(path)) as raw:
            check_size(header, (raw.sizes.width, raw.sizes.height), max_pixels)
            samples = raw.postprocess(use_camera_wb=True, output_bps=16, output_color=rawpy.ColorSpace.sRGB)
    except (rawpy.LibRawError, OSError, ValueError, RuntimeError) as fault:
        text = fault.args[0].decode() if fault.args and isinstance(fault.args[0], bytes) else reason(fault)
        raise UnfitError(f"the camera raw data are damaged, cut off or of an unknown camera ({text})") from fault
    return ArrayRows(samples, 16)
