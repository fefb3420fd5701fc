"""What this machine is, whether runir works on it, how fast, and what would make it faster."""

from runir.doctor.report import Report, diagnose

__all__ = ["Report", "diagnose"]
