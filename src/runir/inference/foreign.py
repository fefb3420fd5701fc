"""Other people's networks: checkpoints that the package `spandrel` reads, as models for a Restorer.

They run in PyTorch, or in OpenVINO if asked, through the same fixed tiles as runir's own. Files are read by spandrel's
own unpickler, which takes tensors and nothing else, or as safetensors; TorchScript (.pt) is a program and is not read.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from runir.errors import RunirError, UsageError
from runir.images.messages import line, reason
from runir.weights import Model, ModelCard, find_model

CHECKPOINTS = (".pth", ".ckpt", ".safetensors")
SCRIPTED = ".pt"
TILE, OVERLAP = 512, 32  # as runir's own; a larger tile where a network needs one
FARTHEST = 1.0  # mean change of a tile that is still believed: these networks also brighten what is nearly black
PROBE = 64  # pixels: sides of the picture that every network is tried on
SPANDREL_SIGMA = 15.0  # of 255: what spandrel tells networks that want to know the noise's strength
DAMAGED = (AttributeError, EOFError, IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError)


class ForeignNetwork:
    """A network as spandrel describes it, for tiles of three channels."""

    def __init__(self, descriptor: Any) -> None:
        """Descriptor: spandrel's ImageModelDescriptor, of scale 1 and with 1 or 3 channels."""
        self._call, self._gray = descriptor.eval(), descriptor.input_channels == 1
        self._module = descriptor.model

    def restore(self, tile: Any) -> Any:
        """Tensor 1 x 3 x H x W in about [0, 1] -> the same shape in [0, 1].

        A network for gray pictures sees one channel after the other, and only one where all three are equal.
        """
        if not self._gray:
            return self._call(tile)
        red, green, blue = tile.split(1, dim=1)
        if red.equal(green) and red.equal(blue):
            return self._call(red).expand(-1, 3, -1, -1)
        return self._by_channel(tile)

    def _by_channel(self, tile: Any) -> Any:
        import torch

        return torch.cat([self._call(plane) for plane in tile.split(1, dim=1)], dim=1)

    def traceable(self) -> Any:
        """A torch.nn.Module that computes the same, without a choice that depends on the tile."""
        from torch import nn

        class Whole(nn.Module):
            def __init__(self, network: ForeignNetwork) -> None:
                super().__init__()
                self.held = network._module  # its numbers are found here
                self.run = network._by_channel if network._gray else network._call

            def forward(self, tile: Any) -> Any:
                return self.run(tile)

        return Whole(self)


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """What a Restorer needs of a Model, for another network.

    card: its sums are of the checkpoint; what only the author knows is called so; macs_per_pixel is 0: not counted.
    converted: a file that OpenVINO reads, where the network was saved as that; network is then None.
    """

    card: ModelCard
    network: ForeignNetwork | None
    exposure: None = None
    converted: Path | None = None

    @staticmethod
    def engine(name: str) -> str:
        """The engine for a wanted one; "auto" is PyTorch, which runs them all. Raises UsageError for ONNX Runtime."""
        if name == "onnxruntime":
            raise UsageError("engine 'onnxruntime' is for runir's own models; others run with torch or openvino")
        return "torch" if name == "auto" else name

    def for_openvino(self) -> Any:
        """The network as OpenVINO has it, traced on one tile. Raises UsageError for one that cannot be converted."""
        import openvino as ov

        if self.network is None:
            return ov.Core().read_model(self.converted)
        import torch

        shape = (1, 3, self.card.tile, self.card.tile)
        try:
            with warnings.catch_warnings(action="ignore"), torch.no_grad():
                tile = torch.linspace(0, 1, self.card.tile).expand(shape).contiguous()
                return ov.convert_model(self.network.traceable(), example_input=tile, input=[list(shape)])
        except (*DAMAGED, ov.frontend.OpConversionFailure) as error:
            what = f"{self.card.name}: OpenVINO cannot convert this network ({reason(error)})"
            raise UsageError(f"{what}; use --engine torch") from error


def open_model(name: str) -> Model | ForeignModel:
    """The model of this name, in this folder (as `runir export` makes it), or in this checkpoint of another network.

    Raises UsageError for an unknown name, or a network that runir cannot use; RunirError for a damaged or unsafe file.
    """
    ending = Path(name).suffix.lower()
    if ending in CHECKPOINTS:
        return read_checkpoint(Path(name))
    if ending == SCRIPTED:
        raise UsageError(line(Path(name), "may hold a program (TorchScript)", "save its weights as .safetensors"))
    return find_model(name)


def read_checkpoint(path: Path) -> ForeignModel:
    """A checkpoint file that spandrel reads.

    Raises UsageError without spandrel, for a missing file, and for a network that runir cannot use; RunirError for a
    file that is damaged or holds more than tensors.
    """
    if not path.is_file():
        raise UsageError(line(path, "no such file", "check the name"))
    loader, unknown = _loader()
    from safetensors import SafetensorError  # comes with spandrel

    try:
        descriptor = loader.load_from_file(str(path))
    except UnpicklingError as error:
        what = f"is no plain file of tensors ({reason(error)})"
        raise RunirError(line(path, what, "it may hold a program; ask for its weights as .safetensors")) from error
    except unknown as error:
        known = "for a model of runir give its folder; Restormer, MPRNet and others need `spandrel_extra_arches`"
        raise UsageError(line(path, "holds a network that spandrel does not know", known)) from error
    except (*DAMAGED, SafetensorError) as error:
        raise RunirError(line(path, f"cannot be read ({reason(error)})", "download it again")) from error
    return described(descriptor, path.stem, str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def from_tensors(tensors: Mapping[str, Any], name: str) -> ForeignModel:
    """A network whose tensors are in memory. Raises UsageError as `read_checkpoint` does."""
    return described(_loader()[0].load_from_state_dict(dict(tensors)), name, name, "")


def described(descriptor: Any, name: str, where: str, sha256: str) -> ForeignModel:
    """The model behind spandrel's descriptor. `where` stands in errors.

    Raises UsageError for what is no restorer of pictures of the same size with 1 or 3 channels.
    """
    what = _unfit(descriptor) or _fault(descriptor)
    if what:
        remedy = "give a network that restores at the same size"
        raise UsageError(f"{where}: {descriptor.architecture.name} {what}; {remedy}")
    needs = descriptor.size_requirements
    side = max(TILE, needs.minimum)
    tags = f" ({', '.join(descriptor.tags)})" if descriptor.tags else ""
    network = {"architecture": descriptor.architecture.name, "tags": list(descriptor.tags)}
    sigma = told_sigma(network)
    told = "" if sigma is None else f"; told noise of sigma {sigma:g}, whatever the picture has"
    gray = "; for gray, so colour goes channel by channel" if descriptor.input_channels == 1 else ""
    whole = "; tiles may show, by its nature" if descriptor.tiling.name == "DISCOURAGED" else ""
    card = ModelCard(
        name=name,
        task="restoration",
        description=f"{descriptor.architecture.name}{tags}, read by spandrel{told}{gray}{whole}",
        licence="its author's",
        date="",
        recipe="its author's",
        training_data="known to its author",
        parameters=sum(tensor.numel() for tensor in descriptor.model.parameters()),
        macs_per_pixel=0,
        tile=-(-side // needs.multiple_of) * needs.multiple_of,
        overlap=OVERLAP,
        onnx_sha256=sha256,
        safetensors_sha256=sha256,
        network=network,
        residual_limit=FARTHEST,
    )
    return ForeignModel(card, ForeignNetwork(descriptor))


def told_sigma(network: Mapping[str, Any]) -> float | None:
    """The noise (sigma, of 255) that spandrel tells a network for noise of known strength; None for all others.

    network: of its card.
    """
    told = network.get("architecture") == "DRUNet" or "FDnCNN" in network.get("tags", ())
    return SPANDREL_SIGMA if told else None


def _unfit(descriptor: Any) -> str:
    """Why runir cannot use the network, or nothing."""
    channels = (descriptor.input_channels, descriptor.output_channels)
    if descriptor.purpose not in ("Restoration", "SR"):
        return f"is for {descriptor.purpose}"
    if descriptor.scale != 1:
        return f"enlarges {descriptor.scale} times"
    if channels not in ((1, 1), (3, 3)):
        return f"takes {channels[0]} channels and gives {channels[1]}, not 1 or 3"
    if descriptor.tiling.name == "INTERNAL":
        return "wants the whole picture at once, and runir gives it tiles"
    return ""


def _fault(descriptor: Any) -> str:
    """What goes wrong with a small picture, or nothing."""
    import torch

    shape = (1, descriptor.input_channels, PROBE, PROBE)
    try:
        with torch.no_grad():
            found = tuple(descriptor.eval()(torch.full(shape, 0.5)).shape)
    except DAMAGED as error:
        return f"does not run ({reason(error)})"
    return "" if found == shape else f"gives {found} for {shape}"


def _loader() -> tuple[Any, type[Exception]]:
    """spandrel's loader, with the architectures of the second package where it is installed, and its error for files
    of an unknown network. Raises UsageError without spandrel."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of PyTorch, about what spandrel uses
            import spandrel
    except ImportError as error:
        what = "networks of others are read by the package spandrel, which is not installed"
        raise UsageError(f"{what}: pip install 'runir[spandrel]'") from error
    if find_spec("spandrel_extra_arches") is not None:
        import spandrel_extra_arches

        spandrel_extra_arches.install(ignore_duplicates=True)
    return spandrel.ModelLoader(), spandrel.UnsupportedModelError
