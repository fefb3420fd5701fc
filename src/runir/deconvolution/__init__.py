"""Motion blur undone by arithmetic: which kernel blurred a picture, and the picture without it, as far as noise allows.

Without PyTorch. The results have ringing; a network that is given them beside the picture (`RUNConfig.guides`) removes
it.
"""

from runir.deconvolution.estimate import KERNEL_SIDE, estimate_kernel
from runir.deconvolution.wiener import GUIDES, GuideMaker

__all__ = ["GUIDES", "KERNEL_SIDE", "GuideMaker", "estimate_kernel"]
