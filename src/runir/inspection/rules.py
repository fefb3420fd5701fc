"""From measurements to verdicts: one logistic rule per fault, of features and their products (`coefficients.py`).

Source of the form: logistic regression, e.g. Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning",
2009, section 4.4. The weights are fitted by `benchmarks/inspection_fit.py` on degraded training pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

REACH = 3.0  # deviations from the mean beyond which a feature counts no further


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a rule: its mean and deviation among the training pictures, its weight and its square's."""

    mean: float
    scale: float
    weight: float
    square: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """score = 1 / (1 + exp(-(offset + sum of weight z + square z^2 + sum of products' weight z z'))).

    z is a feature of `features.features`, less its mean, over its scale, kept within REACH.

    Attributes:
        threshold: the score, in (0, 1), from which a fault counts as found.
        offset, features, products: see above; by name, products by two names.
    """

    threshold: float
    offset: float
    features: Mapping[str, Feature]
    products: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def score(self, values: Mapping[str, float]) -> float:
        """How likely the fault is, in [0, 1]; `KeyError` if a feature is missing."""
        z = {name: max(-REACH, min(REACH, (values[name] - f.mean) / f.scale)) for name, f in self.features.items()}
        total = self.offset + sum(f.weight * z[name] + f.square * z[name] ** 2 for name, f in self.features.items())
        total += sum(weight * z[first] * z[second] for (first, second), weight in self.products.items())
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, total))))
