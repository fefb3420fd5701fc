"""A trained network as files that ship: ONNX for one tile shape, and safetensors, both with fp16-stored numbers.

Both hold the same numbers: weights are rounded to fp16 once, and computed with in float32.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from safetensors.torch import save
from torch import Tensor, nn

from runir.models.run import RUN
from runir.weights.registry import EXPOSURE, ONNX, SAFETENSORS

OPSET = 18
MIN_ELEMENTS = 256  # smaller tensors stay float32: nothing to save


def rounded_state(network: RUN) -> dict[str, Tensor]:
    """The network's numbers with large tensors in fp16, small ones in float32."""
    return {
        name: (t.half() if t.numel() >= MIN_ELEMENTS else t.float()).contiguous()
        for name, t in network.state_dict().items()
    }


def export(network: RUN, tile: int, folder: Path) -> list[Path]:
    """Write model.onnx (see `to_onnx`) and model.safetensors into the folder, and the exposure
    curve's numbers, which go before the ONNX network, if the network has one. Returns the files in this order."""
    state = rounded_state(network)
    network.load_state_dict({name: t.float() for name, t in state.items()})
    folder.mkdir(parents=True, exist_ok=True)
    safetensors, onnx_file, exposure = folder / SAFETENSORS, folder / ONNX, folder / EXPOSURE
    safetensors.write_bytes(save(state))
    onnx_file.write_bytes(to_onnx(network, tile).SerializeToString())
    if not network.config.exposure:
        return [onnx_file, safetensors]
    numbers: dict[str, Any] = {
        n.removeprefix("exposure."): t.numpy() for n, t in state.items() if n.startswith("exposure.")
    }
    with exposure.open("wb") as file:
        np.savez(file, **numbers)
    return [onnx_file, safetensors, exposure]


def trace(network: nn.Module, tile: int, statistics: int = 0, channels: int = 3) -> ModelProto:
    """Any picture-to-picture network as ONNX: float32 1 x channels x tile x tile in ("degraded"), 1 x 3 x tile x tile
    out ("restored").

    statistics: how many the network also takes and gives, see `to_onnx`.
    """
    sharing = (torch.zeros(1, statistics), torch.zeros(1, 1)) if statistics else ()
    example = (torch.zeros(1, channels, tile, tile), *sharing)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracer warns that sizes become constants, which is what a fixed tile wants, and that it is the old one:
        # the new exporter's graphs of window attention were not checked against the engines yet.
        warnings.simplefilter("ignore")
        path = str(Path(folder) / "traced.onnx")
        torch.onnx.export(
            network.eval(),
            example,
            path,
            input_names=["degraded", "given", "share"][: len(example)],
            output_names=["restored", "measured"] if statistics else ["restored"],
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(path)


def to_onnx(network: RUN, tile: int) -> ModelProto:
    """The network on one tile as ONNX, large constants stored in fp16 behind a Cast to float32.

    Inputs: "degraded", float32 1 x inputs x tile x tile; if the network has CSA Blocks also "given" (1 x its
    `statistics`) and "share" (1 x 1), see `RUN.restore_sharing`. Outputs: "restored", and then "measured", the tile's
    own statistics.
    """
    graph = trace(_Restore(network), tile, network.statistics, network.config.inputs)
    _store_half(graph)
    _narrow_indices(graph)
    onnx.checker.check_model(graph)
    return graph


class _Restore(nn.Module):
    """What runs on tiles: a RUN behind its exposure curve."""

    def __init__(self, network: RUN) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, *sharing: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return self.network.restore_sharing(x, *sharing) if sharing else self.network.restore(x)


def _store_half(model: ModelProto) -> None:
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.size < MIN_ELEMENTS:
            kept.append(tensor)
            continue
        half = f"{tensor.name}.half"
        kept.append(numpy_helper.from_array(array.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _narrow_indices(model: ModelProto) -> None:
    """Tables of indices, of which only Gather makes use, as int32: half the bytes."""
    for node in model.graph.node:
        users = [user.op_type for user in model.graph.node if node.output[0] in user.input]
        for attribute in node.attribute if node.op_type == "Constant" and set(users) == {"Gather"} else ():
            if attribute.t.data_type == TensorProto.INT64 and attribute.t.dims:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.int32)))
