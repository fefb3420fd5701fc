"""Motion blur undone by arithmetic: which kernel blurred a picture, and the picture without it, as far as noise allows.

NumPy only. Its results have ringing; a network that is given them beside the picture (`RUNConfig.guides`) removes it.
"""

from runir.deconvolution.estimate import KERNEL_SIDE, estimate_kernel
from runir.deconvolution.wiener import GUIDES, guides_for

__all__ = ["GUIDES", "KERNEL_SIDE", "estimate_kernel", "guides_for"]
