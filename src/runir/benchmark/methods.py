"""What can be compared, by name: shipped and exported models, checkpoints of other networks, classical denoisers, and
well-known networks with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from runir.benchmark.classical import CLASSICAL
from runir.benchmark.peers import PEERS
from runir.degradations.spec import Awgn, Degradation
from runir.errors import UsageError, nearest
from runir.images.messages import line
from runir.inference.foreign import CHECKPOINTS
from runir.weights import find_model, list_models
from runir.weights.registry import CARD

Kind = Literal["runir", "checkpoint", "classical", "random"]
TASKS = {"camera": "photo", "blur": "deblur", "rain": "derain", "lowlight": "lowlight"}
"""Degradation -> task of the models that undo it; the others are noise."""
USUAL = (*CLASSICAL, "nafnet-w32")
"""Compared without being asked for, where their packages are installed."""
PACKAGES = {
    "cv2": "pip install 'runir[benchmark]'",
    "bm3d": "pip install bm3d (its licence allows non-commercial use only)",
    "spandrel": "pip install 'runir[spandrel]'",
    "spandrel_extra_arches": "pip install spandrel_extra_arches (some of it for non-commercial use only)",
}


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the table. name: in it. source: what it is built from, as on the command line."""

    name: str
    kind: Kind
    source: str

    @property
    def scored(self) -> bool:
        """Whether its pictures mean anything: random weights have time and memory, but no quality."""
        return self.kind != "random"

    @property
    def weights(self) -> str:
        """Where its numbers come from, for the table."""
        return {"runir": "ours", "checkpoint": "given", "classical": "none, told sigma", "random": "random"}[self.kind]


def choose_methods(
    names: Sequence[str], degradation: Degradation, only: bool = False
) -> tuple[list[Method], dict[str, str]]:
    """The methods to compare.

    Args:
        names: the names or paths that were asked for.
        degradation: what has to be undone; classical denoisers are for Gaussian noise alone.
        only: leave out what was not asked for: the shipped models of the task, and USUAL.

    Returns:
        The methods, each once, and what was left out with the reason.

    Raises:
        UsageError: an unknown name, a missing file or package, a denoiser for another degradation, or no method.
    """
    methods = [] if only else _shipped(degradation)
    left_out: dict[str, str] = {}
    for name in () if only else USUAL:
        reason = _obstacle(name, degradation)
        if reason:
            left_out[name] = reason
        else:
            methods.append(_known(name))
    for name in names:
        method = _known(name)
        reason = _obstacle(method.source, degradation)
        if reason:
            raise UsageError(f"{name}: {reason}")
        if method not in methods:
            methods.append(method)
    if not methods:
        raise UsageError("--only leaves nothing to compare; name methods with --model")
    return _distinct(methods), left_out


def _shipped(degradation: Degradation) -> list[Method]:
    task = TASKS.get(degradation.name.partition(":")[0], "denoise")
    return [Method(m.card.name, "runir", m.card.name) for m in list_models() if m.card.task == task]


def _known(name: str) -> Method:
    path = Path(name)
    if name in CLASSICAL:
        return Method(CLASSICAL[name].label, "classical", name)
    if name in PEERS:
        return Method(PEERS[name].label, "random", name)
    if path.suffix.lower() in CHECKPOINTS:
        if not path.is_file():
            raise UsageError(line(path, "no such file", "check the name"))
        return Method(path.name, "checkpoint", name)
    shipped = [m.card.name for m in list_models()]
    if name not in shipped and not (path / CARD).is_file():
        close = nearest(name, [*shipped, *CLASSICAL, *PEERS])
        raise UsageError(f"unknown model {name!r}; {close} (or give a checkpoint: {', '.join(CHECKPOINTS)})")
    return Method(find_model(name).card.name, "runir", name)


def _obstacle(source: str, degradation: Degradation) -> str:
    """Why this method cannot run here, or nothing."""
    if source in CLASSICAL and not isinstance(degradation, Awgn):
        return "is for Gaussian noise (--degrade awgn:SIGMA)"
    needed: tuple[str, ...] = ()
    if source in CLASSICAL:
        needed = (CLASSICAL[source].package,)
    elif source in PEERS:
        needed = ("spandrel", *PEERS[source].more)
    elif Path(source).suffix.lower() in CHECKPOINTS:
        needed = ("spandrel",)
    missing = [package for package in needed if find_spec(package) is None]
    return f"needs a package that is not installed: {PACKAGES[missing[0]]}" if missing else ""


def _distinct(methods: list[Method]) -> list[Method]:
    """Files of one name in several folders are told apart by their folders."""
    names = [method.name for method in methods]
    return [
        method if names.count(method.name) == 1 else Method("/".join(Path(method.source).parts[-2:]), *_rest(method))
        for method in methods
    ]


def _rest(method: Method) -> tuple[Kind, str]:
    return method.kind, method.source
