"""Fits the rules of `runir.inspection` on degraded training pictures and writes src/runir/inspection/coefficients.py.

    python benchmarks/inspection_fit.py --photos DIR --photos DIR --lol DIR --held-out recipes/held_out.txt
        --cache FILE.jsonl [--pictures 60] [--rules rain] [--write]

Every picture that is not held out, up to --pictures of them spread over the folders (parts of at most 256 x 256), is
measured clean, softened, faintly noisy, and with each fault; LOL's dark pictures and their bright partners are real.
What was measured is kept in --cache, one line per sample, and not measured again. Weights: logistic regression with a
quadratic penalty on standardised features and their products, by Newton's method; each rule's threshold is where at
most ALARMS of the good (or merely noisy) training pictures raise an alarm, but at least LEAST.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspection import Pixels, middle, unit
from runir.data.pictures import find_pictures, load_rgb8, read_name_list
from runir.degradations import parse_degradation
from runir.inspection.coefficients import RULES as SHIPPED
from runir.inspection.crops import reduce_whole, take_crops
from runir.inspection.darkness import brightness
from runir.inspection.features import features, measure_detail
from runir.inspection.rules import REACH, Feature, Rule

TARGET = Path(__file__).parents[1] / "src" / "runir" / "inspection" / "coefficients.py"
PART = 256
PENALTY = {"white": 5.0, "camera": 5.0, "darkness": 5.0, "blur": 10.0, "rain": 40.0}  # more where features are many
ALARMS = 0.03
LEAST = {"white": 0.5, "camera": 0.4, "darkness": 0.5, "blur": 0.55, "rain": 0.5}  # more where the task can do harm
GOOD = ("clean", "soft", "faint", "awgn", "gray-awgn", "lol-target")  # but for noise
GOOD_WEIGHT = 3.0  # a false alarm on these costs so many times as much as a fault that is overlooked
RULES = {
    "white": ("light_high", "light_mid", "sigma", "texture_high"),
    "camera": ("sigma", "light_mid", "colour_low", "colour_mid", "texture_mid", "texture_high", "jpeg"),
    "darkness": ("mean", "bright", "brightest"),
    "blur": (
        *("short", "typical", "uneven", "rise"),
        *("texture_mid", "texture_high", "light_mid", "light_high", "ridges"),
    ),
    "rain": (
        *("ridges", "surplus", "calm", "across", "leaning", "wide_surplus", "wide_half"),
        *("upright", "upright_calm", "light_high", "texture_low", "washed", "washed_half"),
    ),
}
ANY = math.nan  # such samples do not count for a rule
LABELS = {  # white noise, camera noise, darkness, blur, rain
    "clean": (0, 0, 0, 0, 0),
    "soft": (0, 0, 0, 0, 0),
    "faint": (0, 0, 0, 0, 0),
    "awgn": (1, ANY, 0, 0, 0),
    "gray-awgn": (1, ANY, 0, 0, 0),
    "camera": (ANY, 1, 0, 0, 0),
    "coarse": (ANY, 1, 0, 0, 0),  # camera noise that the camera has smoothed
    "blur": (ANY, ANY, 0, 1, 0),  # has noise of its own, which the deblurrer removes
    "rain": (0, ANY, 0, 0, 1),  # may be a JPEG file
    "lowlight": (ANY, ANY, 1, 0, 0),
    "blur+awgn": (1, ANY, 0, 1, 0),
    "rain+awgn": (1, ANY, 0, 0, 1),
    "lol-input": (ANY, ANY, 1, ANY, 0),
    "lol-target": (ANY, ANY, 0, ANY, 0),
}
VISIBLE = {
    "camera": 36.0,
    "coarse": 36.0,
    "blur": 34.0,
    "rain": 34.0,
}  # dB: with less damage than that, a sample counts for no rule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--lol", type=Path, metavar="DIR", help="with input/ and target/")
    parser.add_argument("--held-out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--cache", type=Path, required=True, metavar="FILE")
    parser.add_argument("--pictures", type=int, default=60, metavar="N")
    parser.add_argument("--measured", action="store_true", help="fit what --cache holds; measure nothing")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES), help="the others stay")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    options = parser.parse_args()
    if not options.measured:
        measure(options)
    samples = [json.loads(text) for text in options.cache.read_text("utf-8").splitlines()]
    fitted = {rule: fit(rule, index, samples) for index, rule in enumerate(RULES) if rule in options.rules}
    if options.write:
        TARGET.write_text(render(SHIPPED | fitted), "utf-8")


def measure(options: argparse.Namespace) -> None:
    """Append the samples of pictures that the cache does not hold yet."""
    known = set()
    if options.cache.exists():
        known = {json.loads(text)["picture"] for text in options.cache.read_text("utf-8").splitlines()}
    folders = [*options.photos, *([options.lol / "input"] if options.lol else [])]
    held = read_name_list(options.held_out)
    files = [[p for p in find_pictures([f]) if p.name not in held] for f in folders]
    share = max(1, options.pictures // len(folders))
    chosen = [(k, path) for f in files for k, path in enumerate(f[:: max(1, len(f) // share)][:share])]
    chosen.sort(key=lambda item: item[0])  # folders take turns, so that a cache that is not complete is mixed too
    with options.cache.open("a", encoding="utf-8") as cache:
        for k, path in chosen:
            if path.name in known:
                continue
            real = options.lol is not None and path.parent == options.lol / "input"
            made = real_pair(path) if real else degraded(path, k)
            lines = [json.dumps({"picture": path.name, **sample(*item)}) for item in made]
            cache.write("\n".join(lines) + "\n")
            cache.flush()


def sample(kind: str, pixels: Pixels, clean: Pixels | None) -> dict[str, Any]:
    """Kind, PSNR to the clean picture and features of a picture as an 8-bit file would hold it."""
    stored = unit(np.rint(np.clip(pixels, 0.0, 1.0) * 255.0))
    error = 0.0 if clean is None else float(np.mean((stored - clean) ** 2, dtype=np.float64))
    found = features(measure_detail(take_crops(stored)), brightness(reduce_whole(stored)))
    return {"kind": kind, "psnr": -10.0 * math.log10(error + 1e-10), "features": found}


def real_pair(path: Path) -> Iterator[tuple[str, Pixels, None]]:
    partners = (path.parents[1] / "target").glob(f"{path.stem}.*")
    yield "lol-input", unit(load_rgb8(path)), None
    yield "lol-target", unit(load_rgb8(next(partners))), None


def degraded(path: Path, seed: int) -> Iterator[tuple[str, Pixels, Pixels]]:
    rng = np.random.default_rng(seed)
    clean = middle(unit(load_rgb8(path)), PART)
    if seed % 8 == 7:  # a gray picture now and then
        clean = clean.mean(2, keepdims=True).astype(np.float32)
    yield "clean", clean, clean
    yield "soft", softened(clean, rng.uniform(0.4, 1.0)), clean
    strong = np.exp(rng.uniform(np.log(5.0), np.log(50.0), 2))
    specs = [("faint", f"awgn:{rng.uniform(0.3, 2.0):.3f}"), ("awgn", f"awgn:{strong[0]:.3f}")]
    specs += [("gray-awgn", f"gray-awgn:{strong[1]:.3f}"), ("lowlight", "lowlight")]
    specs += 2 * [("camera", "camera"), ("blur", "blur"), ("rain", "rain:dry=0")]
    for kind, spec in specs:
        yield kind, parse_degradation(spec).apply(clean, rng), clean
    noise = parse_degradation("camera:jpeg=none").apply(clean, rng) - clean
    yield "coarse", clean + softened(noise, rng.uniform(0.4, 1.0)), clean
    for kind, spec in (("blur+awgn", "blur:size=8-31,sigma=0"), ("rain+awgn", "rain:dry=0")):
        white = parse_degradation(f"awgn:{rng.uniform(10.0, 30.0):.3f}")
        yield kind, white.apply(parse_degradation(spec).apply(clean, rng), rng), clean


def softened(picture: Pixels, sigma: float) -> Pixels:
    """A Gaussian blur: a lens that is not quite sharp, or a picture that was enlarged a little."""
    radius = math.ceil(3.0 * sigma)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        wide = np.pad(picture, [(radius, radius) if a == axis else (0, 0) for a in range(3)], mode="symmetric")
        size = picture.shape[axis]
        picture = np.sum([t * np.take(wide, np.arange(k, k + size), axis) for k, t in enumerate(taps)], axis=0)
    return picture.astype(np.float32)


def fit(rule: str, index: int, samples: list[Mapping[str, Any]]) -> Rule:
    """Fit one rule; prints which share of each kind it finds."""
    names = RULES[rule]
    kinds = np.array([s["kind"] for s in samples])
    values = np.array([[s["features"][name] for name in names] for s in samples])
    truth = np.array([LABELS[s["kind"]][index] for s in samples], float)
    for k, s in enumerate(samples):
        if truth[k] == 1 and s["psnr"] > VISIBLE.get(s["kind"], math.inf):
            truth[k] = ANY
    counts, good = ~np.isnan(truth), np.isin(kinds, GOOD)
    share = truth[counts].mean()
    weight = np.where(truth == 1, 0.5 / share, 0.5 / (1.0 - share)) * np.where(good & (truth == 0), GOOD_WEIGHT, 1.0)
    mean, scale = values[counts].mean(0), values[counts].std(0) + 1e-3
    terms = with_products(np.clip((values - mean) / scale, -REACH, REACH))
    beta = logistic(terms[counts], truth[counts], weight[counts], PENALTY[rule])
    scores = 1.0 / (1.0 + np.exp(-np.clip(terms @ beta[:-1] + beta[-1], -50, 50)))
    alarms = float(np.quantile(scores[good & counts & (truth == 0)], 1.0 - ALARMS))
    threshold = math.ceil(100 * min(0.95, max(LEAST[rule], alarms))) / 100
    found = {kind: f"{(scores[kinds == kind] >= threshold).mean():.2f}" for kind in dict.fromkeys(kinds.tolist())}
    print(f"{rule} (from {threshold}):", ", ".join(f"{kind} {rate}" for kind, rate in found.items()))
    linear, pairs = beta[: len(names)], dict(zip(product_indices(len(names)), beta[len(names) : -1], strict=True))
    return Rule(
        threshold,
        float(beta[-1]),
        {name: Feature(mean[k], scale[k], linear[k], pairs[k, k]) for k, name in enumerate(names)},
        {(names[i], names[j]): weight for (i, j), weight in pairs.items() if i != j},
    )


def product_indices(n: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n) for j in range(i, n)]


def with_products(z: NDArray[Any]) -> NDArray[Any]:
    """Samples x features, then samples x products of two features (a feature with itself included)."""
    return np.column_stack([z, *(z[:, i] * z[:, j] for i, j in product_indices(z.shape[1]))])


def logistic(z: NDArray[Any], truth: NDArray[Any], weight: NDArray[Any], strength: float) -> NDArray[Any]:
    """Weights of penalised logistic regression, the offset last (not penalised)."""
    wide = np.column_stack([z, np.ones(len(z))])
    penalty = np.diag([strength] * z.shape[1] + [1e-6])
    beta: NDArray[Any] = np.zeros(wide.shape[1])
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(wide @ beta, -30.0, 30.0)))
        gradient = wide.T @ (weight * (p - truth)) + penalty @ beta
        curvature = (wide * (weight * p * (1.0 - p) + 1e-9)[:, None]).T @ wide + penalty
        beta = beta - np.clip(np.linalg.solve(curvature, gradient), -2.0, 2.0)
    return beta


def render(fitted: Mapping[str, Rule]) -> str:
    lines = ['"""Weights of the rules; written by benchmarks/inspection_fit.py."""', "",
             "from runir.inspection.rules import Feature, Rule", "", "RULES = {"]  # fmt: skip
    for name, rule in fitted.items():
        lines += [f'    "{name}": Rule(', f"        threshold={rule.threshold},", f"        offset={rule.offset:.4f},"]
        lines += ["        features={"]
        lines += [f'            "{key}": Feature({f.mean:.4f}, {f.scale:.4f}, {f.weight:.4f}, {f.square:.4f}),'
                  for key, f in rule.features.items()]  # fmt: skip
        lines += ["        },", "        products={"]
        lines += [f'            ("{a}", "{b}"): {weight:.4f},' for (a, b), weight in rule.products.items()]
        lines += ["        },", "    ),"]
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    main()
