"""Pictures in and out: decode, encode, bit depth, alpha, ICC, EXIF, orientation, a few rows at a time.

`open_picture` and `create_picture` read and write rows from top to bottom, in bounded memory; `read_picture`
and `write_picture` do the same with a whole `Picture`. `SUPPORTED` names the containers that can be written,
`EXTENSIONS` maps each file name ending to its container. NumPy and pyvips (loaded at first use) are all this
needs; HEIC and camera raw are read with the extras `heic` and `raw`.
"""

from runir.images.depth import finite, from_float, to_float
from runir.images.picture import EXTENSIONS, READ_ONLY_EXTENSIONS, SUPPORTED, Picture, PictureInfo
from runir.images.read import read_picture
from runir.images.reader import MAX_PIXELS, PictureReader, open_picture
from runir.images.transparency import fill_transparent, keep_hidden
from runir.images.write import write_picture
from runir.images.writer import PictureWriter, create_picture

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "READ_ONLY_EXTENSIONS",
    "SUPPORTED",
    "Picture",
    "PictureInfo",
    "PictureReader",
    "PictureWriter",
    "create_picture",
    "fill_transparent",
    "finite",
    "from_float",
    "keep_hidden",
    "open_picture",
    "read_picture",
    "to_float",
    "write_picture",
]
