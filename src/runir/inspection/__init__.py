"""What is wrong with this picture: noise, darkness, motion blur, rain, and which tasks would repair it.

Small estimators in NumPy, each explained where it is computed, and for rain what its network would take; `inspect`
puts them together, `plan_tasks` says what follows. Nothing here changes a picture.
"""

from runir.inspection.crops import crop_boxes
from runir.inspection.findings import Blur, Darkness, Finding, Findings, Noise, Rain
from runir.inspection.plan import Step, plan, plan_tasks
from runir.inspection.verdict import inspect, inspect_parts
from runir.inspection.washed import RAIN_NETWORK

__all__ = [
    "RAIN_NETWORK",
    "Blur",
    "Darkness",
    "Finding",
    "Findings",
    "Noise",
    "Rain",
    "Step",
    "crop_boxes",
    "inspect",
    "inspect_parts",
    "plan",
    "plan_tasks",
]
