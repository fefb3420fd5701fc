"""The shipped models: an ONNX file, a safetensors file and a card each."""

from runir.weights.card import ModelCard, Score
from runir.weights.registry import Model, find_model, list_models

__all__ = ["Model", "ModelCard", "Score", "find_model", "list_models"]
