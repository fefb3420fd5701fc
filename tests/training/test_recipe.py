"""Recipes: strict, typed, and what goes wrong is said in one line."""

import itertools
from pathlib import Path

import pytest

from runir.config import build, dump_toml, read_toml, to_plain
from runir.errors import UsageError
from runir.training.network import network_config
from runir.training.recipe import Phase, Recipe, ScheduleSection, ValidationSection, load_recipe
from runir.training.schedule import phase_ends, rate_factor, validates_after

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*/*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_shipped_recipes_load_and_name_their_network(path: Path) -> None:
    recipe = load_recipe(path)
    assert path.stem == recipe.name == f"{recipe.model.preset}.{recipe.task}"
    network_config(recipe)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_the_effective_recipe_survives_saving(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path, ["seed=7"])
    (tmp_path / "recipe.toml").write_text(dump_toml(to_plain(recipe)), "utf-8")
    assert load_recipe(tmp_path / "recipe.toml") == recipe
    assert recipe.seed == 7


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("schedule.hour=2", ["schedule.hour", "did you mean 'hours'"]),
        ("optim.rte=2", ["optim.rte", "rate"]),
        ("seed='x'", ["seed", "int"]),
        ("seed=true", ["seed", "int"]),
        ("loss.name='l3'", ["loss.name", "charbonnier"]),
        ("schedule.phases=[]", ["shares must sum to 1"]),
        ("schedule.hours=-1", ["positive"]),
        ("schedule.steps=0", ["positive"]),
        ("optim.rate=-1", ["not be negative"]),
        ("optim.betas=[0.9, 1.5]", ["betas"]),
        ("data.workers=-1", ["not be negative"]),
        ("schedule.hold=1", ["schedule.hold", "[0, 1)"]),
        ("schedule.accumulate=0", ["accumulate", "positive"]),
        ("schedule.accumulate=5", ["multiple of", "accumulate = 5"]),
        ("validation.times=-1", ["not be negative"]),
        ("validation.patience=3", ["keep"]),
        ("nonsense", ["key=value"]),
        ("seed.x=1", ["not a table"]),
    ],
)
def test_wrong_assignments_are_refused(assignment: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(RECIPES[0], [assignment])
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_mistyped_key_in_the_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPES[0].read_text("utf-8").replace("warmup", "warmpu"), "utf-8")
    with pytest.raises(UsageError, match=r"mine\.toml.*warmpu.*did you mean 'warmup'"):
        load_recipe(path)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("= 3")
    with pytest.raises(UsageError, match=r"bad\.toml: not valid TOML"):
        read_toml(path)
    with pytest.raises(UsageError, match="no such file"):
        read_toml(tmp_path / "missing.toml")


def test_missing_keys_are_named() -> None:
    with pytest.raises(UsageError, match="missing key 'name'"):
        build(Recipe, {})


def test_toml_round_trip_keeps_awkward_values() -> None:
    data = {
        "a b": 'quote " and \\ and ü',
        "f": 1e-05,
        "t": {"deep": {"x": [1, 2]}},
        "rows": [{"n": 1}, {"n": 2}],
    }
    import tomllib

    assert tomllib.loads(dump_toml(data)) == data


def test_phases_share_the_pixels() -> None:
    phases = (Phase(0.5, 16, 64), Phase(0.5, 8, 128))
    ends = phase_ends(phases, 3000)
    assert ends == [(2000, 16, 64), (3000, 8, 128)]
    first, second = 2000 * 16 * 64**2, 1000 * 8 * 128**2
    assert first == second


def test_the_rate_warms_up_and_ends_at_zero() -> None:
    schedule = ScheduleSection((Phase(1.0, 1, 1),), steps=1000, warmup=100)
    factors = [rate_factor(step, 1000, schedule) for step in range(1000)]
    assert factors[0] < 0.02
    assert max(factors) == pytest.approx(factors[99], abs=0.01)
    assert factors[-1] < 1e-4
    assert all(a >= b for a, b in itertools.pairwise(factors[100:]))


def test_the_rate_is_held_then_falls_to_the_floor() -> None:
    """Restormer's schedule: 3e-4 for 92,000 of 300,000 steps, then a half cosine down to 1e-6."""
    schedule = ScheduleSection((Phase(1.0, 1, 1),), steps=300_000, warmup=0, hold=92 / 300, floor=1e-6 / 3e-4)
    rates = {step: 3e-4 * rate_factor(step, 300_000, schedule) for step in (0, 91_999, 196_000, 299_999)}
    assert rates[0] == rates[91_999] == 3e-4
    assert rates[196_000] == pytest.approx((3e-4 + 1e-6) / 2)
    assert rates[299_999] == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize("total", [7, 10, 1000])
def test_validations_are_spread_evenly(total: int) -> None:
    due = [step for step in range(1, total + 1) if validates_after(step, total, ValidationSection(times=5))]
    assert len(due) == 5
    assert due[-1] == total
    gaps = [b - a for a, b in itertools.pairwise([0, *due])]
    assert max(gaps) - min(gaps) <= 1
    every = [step for step in range(1, 11) if validates_after(step, 10, ValidationSection(every=4))]
    assert every == [4, 8, 10]
