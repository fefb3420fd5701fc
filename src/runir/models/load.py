"""Networks from shipped weights."""

from __future__ import annotations

from safetensors.torch import load_file

from runir.models.config import RUNConfig
from runir.models.run import RUN
from runir.weights import Model


def load_network(model: Model) -> RUN:
    """The network of a shipped model, in evaluation mode, with the numbers that its ONNX file holds.

    Raises RunirError when a file does not match its card.
    """
    model.verify()
    network = RUN(RUNConfig.from_dict(model.card.network))
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(str(model.safetensors)).items()})
    return network.eval()
