"""Pictures in and out: decode, encode, alpha, ICC, EXIF, orientation. Eight bits per channel.

`read_picture` turns a file into a `Picture`, `write_picture` turns a `Picture` into a file. `SUPPORTED` names
the containers, `EXTENSIONS` maps each file name ending to its container. NumPy and Pillow are all this needs.
"""

from runir.images.picture import EXTENSIONS, SUPPORTED, Picture
from runir.images.read import read_picture
from runir.images.write import write_picture

__all__ = ["EXTENSIONS", "SUPPORTED", "Picture", "read_picture", "write_picture"]
