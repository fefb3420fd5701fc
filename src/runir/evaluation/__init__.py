"""Scores: metrics, named protocols and reports. NumPy only; a restorer is any function of a picture."""

from runir.evaluation.evaluate import Restore, evaluate, score_pairs
from runir.evaluation.metrics import PSNR, SSIM, psnr, ssim
from runir.evaluation.pairs import Pair, degraded_pairs, paired_folders, picture_files
from runir.evaluation.protocols import PROTOCOLS, Protocol, get_protocol
from runir.evaluation.report import Report, Row

__all__ = [
    "PROTOCOLS",
    "PSNR",
    "SSIM",
    "Pair",
    "Protocol",
    "Report",
    "Restore",
    "Row",
    "degraded_pairs",
    "evaluate",
    "get_protocol",
    "paired_folders",
    "picture_files",
    "psnr",
    "score_pairs",
    "ssim",
]
