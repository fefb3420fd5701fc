"""runir restores photographs on an ordinary CPU.

>>> import runir
>>> runir.restore("noisy.jpg", task="denoise")            # writes noisy.restored.jpg, returns its path
>>> restorer = runir.Restorer("run-s.denoise")            # for many arrays: compiled once
>>> clean = restorer(noisy)                               # float32 H x W x 3 in [0, 1] -> the same shape
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runir._version import __version__
from runir.errors import RunirError, UsageError

if TYPE_CHECKING:
    from runir.api import restore
    from runir.inference import Restorer
    from runir.weights import list_models

__all__ = ["Restorer", "RunirError", "UsageError", "__version__", "list_models", "restore"]

_LAZY = {"restore": "runir.api", "Restorer": "runir.inference", "list_models": "runir.weights"}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `import runir` stays quick."""
    if name not in _LAZY:
        raise AttributeError(f"module 'runir' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
