"""From a picture to a restored picture: fixed tiles, an engine, a smooth blend."""

from runir.inference.restorer import Restorer

__all__ = ["Restorer"]
