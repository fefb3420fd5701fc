"""Training on a small scale: it learns, resumes bit for bit, and refuses what it must."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from runir.errors import RunirError, UsageError
from runir.training.checkpoint import load_tensors, save_tensors
from runir.training.losses import LOSSES
from runir.training.optim import Muon, WeightAverage, build_optimisers, orthogonalise
from runir.training.recipe import OptimSection
from runir.training.session import run_training

RECIPE = """
name = "tiny.denoise"
task = "denoise"
seed = 3
precision = "f32"
log_every = 5
checkpoint_every = 4

[model.network]
stem = 2
window = 4
levels = [
  {operator = "ssa", width = 8, encoder = 0, decoder = 1, heads = 1},
  {operator = "conv", width = 8, encoder = 1, decoder = 1},
  {operator = "csa", width = 16, encoder = 1, heads = 2},
]

[data]
held_out = "held_out.txt"
workers = 0

[data.degradation]
name = "awgn"
sigma = [25.0, 25.0]

[schedule]
steps = 12
warmup = 3
phases = [{share = 0.5, batch = 4, patch = 16}, {share = 0.5, batch = 2, patch = 24}]

[optim]
matrix_rate = 0.01

[validation]
every = 6
crop = 32
levels = ["awgn:25"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a recipe, a held-out list and ten smooth pictures."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "held_out.txt").write_text("# kept out\np8.png\np9.png\n")
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for index in range(10):
        small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        small.resize((48, 40), Image.Resampling.BICUBIC).save(tmp_path / "data" / f"p{index}.png")
    return tmp_path


def train(project: Path, out: str, *assignments: str, resume: bool = False) -> Path:
    return run_training(project / "tiny.toml", [project / "data"], project / out, assignments, resume)


def same(a: Path, b: Path) -> bool:
    left, right = load_tensors(a)[0], load_tensors(b)[0]
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_run_leaves_weights_recipe_scores_and_gains(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = train(
        project, "run", "schedule.steps=150", "validation.every=75", "optim.rate=0.01", "optim.matrix_rate=0.05"
    )
    tensors, state = load_tensors(weights)
    assert state["step"] == 150
    assert state["recipe"]["schedule"]["steps"] == 150
    assert all(torch.isfinite(t).all() for t in tensors.values())
    with (project / "run" / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["75", "150"]
    assert float(rows[-1]["awgn:25"]) > 22.5  # the noisy pictures have 20.2 to 20.6 dB
    out = capsys.readouterr().out
    assert "Mpx/s" in out
    assert "ETA" in out
    assert "awgn:25" in out


def test_resumed_equals_never_stopped(project: Path) -> None:
    whole = train(project, "whole")
    script = "import sys; from runir.cli.main import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        script,
        "train",
        str(project / "tiny.toml"),
        "--data",
        str(project / "data"),
    ]
    command += ["--out", str(project / "killed"), "--allocator", "system"]
    # Killed without warning as soon as the checkpoint of step 4 or 8 is there.
    process = subprocess.Popen([*command, "--set", "schedule.steps=12"], stdout=subprocess.DEVNULL)
    checkpoint = project / "killed" / "checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert load_tensors(checkpoint)[1]["step"] < 12
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert same(whole, project / "killed" / "weights.safetensors")
    assert same(project / "whole" / "checkpoint.safetensors", checkpoint)


def test_interrupt_saves_and_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from runir.training.loop import Trainer

    steps = Trainer.train_step

    def interrupted(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        self._stop = self.step == 5  # as the first Ctrl-C does
        return steps(self, degraded, clean)

    def torn(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        result = steps(self, degraded, clean)
        if self.step == 8:  # as the second Ctrl-C does: half of the step is done
            raise KeyboardInterrupt
        return result

    whole = train(project, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(project, "stopped")
        patch.setattr(Trainer, "train_step", torn)
        with pytest.raises(KeyboardInterrupt):
            train(project, "stopped", resume=True)
    out = capsys.readouterr().out
    assert "interrupted at step 6: saved" in out
    assert "stopped at once; the last checkpoint stands" in out
    assert same(whole, train(project, "stopped", resume=True))
    assert (project / "stopped" / "validation.csv").read_text() == (project / "whole" / "validation.csv").read_text()


def test_ctrl_c_stops_between_steps(project: Path) -> None:
    whole = train(project, "whole", "schedule.steps=400", "validation.every=0")
    script = "import sys; from runir.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "train", str(project / "tiny.toml"), "--data", str(project / "data")]
    command += ["--out", str(project / "stopped"), "--allocator", "system"]
    settings = ["--set", "schedule.steps=400", "--set", "validation.every=0"]
    process = subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    checkpoint = project / "stopped" / "checkpoint.safetensors"
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "saved; go on with --resume" in out
    assert "Traceback" not in error
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert same(whole, project / "stopped" / "weights.safetensors")


def test_one_precision_after_another(project: Path) -> None:
    half = load_tensors(train(project, "half", "precision='bf16'"))[0]
    full = load_tensors(train(project, "full"))[0]
    assert any(not torch.equal(half[name], full[name]) for name in full)


def test_without_held_out_pictures_nothing_is_validated(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "held_out.txt").write_text("other.png\n")
    train(project, "run")
    assert "nan" not in capsys.readouterr().out
    assert not (project / "run" / "validation.csv").exists()


def test_worker_processes_change_nothing(project: Path) -> None:
    assert same(train(project, "a"), train(project, "b", "data.workers=2"))


def test_another_seed_changes_the_weights(project: Path) -> None:
    assert not same(train(project, "a"), train(project, "b", "seed=4"))


def test_hours_become_steps_once(project: Path) -> None:
    seconds = 3.0
    (project / "tiny.toml").write_text(RECIPE.replace("steps = 12", f"hours = {seconds / 3600}"))
    begun = time.monotonic()
    train(project, "run", "validation.every=0")
    spent = time.monotonic() - begun
    state = load_tensors(project / "run" / "checkpoint.safetensors")[1]
    assert state["step"] == state["total"] > 20
    assert spent < 60
    # The timed steps are undone: a run of as many steps gives the same weights.
    again = train(project, "again", "validation.every=0", f"schedule.steps={state['total']}")
    assert same(project / "run" / "weights.safetensors", again)


def test_two_processes_train_as_one_with_the_doubled_batch(project: Path) -> None:
    one = train(project, "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command += ["--local-addr=127.0.0.1"]
    rest = ["-m", "runir", "train", str(project / "tiny.toml"), "--data", str(project / "data")]
    run = ["--out", str(project / "two"), "--allocator", "system"]
    done = subprocess.run([*command, *rest, *run], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("12 steps, from 0") == 1  # only one process talks
    left, right = load_tensors(one)[0], load_tensors(project / "two" / one.name)[0]
    other = load_tensors(train(project, "other", "seed=4"))[0]
    for name, tensor in left.items():  # sums in another order, which Muon's rounding to bf16 amplifies
        distance = float((right[name] - tensor).norm() / tensor.norm())
        assert distance < 0.05, name
        assert distance < 0.1 * float((other[name] - tensor).norm() / tensor.norm()), name


def test_training_starts_from_given_weights(project: Path) -> None:
    first = train(project, "first")
    start = f"model.start={json.dumps(str(first))}"
    still = ("optim.matrix_rate=0.0", "optim.rate=0.0")
    assert same(first, train(project, "second", start, *still, "optim.norms=false"))
    # Norms are attached so that the network computes what it did, and folded again.
    third = load_tensors(train(project, "third", start, *still, "optim.freeze=0.0"))[0]
    for name, tensor in load_tensors(first)[0].items():
        torch.testing.assert_close(third[name], tensor, rtol=1e-4, atol=1e-5)


def test_context_can_be_added_to_starting_weights(project: Path) -> None:
    first = train(project, "first")
    start = ("optim.norms=false", f"model.start={json.dumps(str(first))}")
    second = load_tensors(train(project, "second", *start, "model.network.context=true", "optim.rate=0.0",
                                "optim.matrix_rate=0.0"))[0]  # fmt: skip
    old = load_tensors(first)[0]
    assert {name for name in second if name not in old} == {
        f"context.{layer}.{kind}" for layer in ("mix", "project") for kind in ("weight", "bias")
    }
    assert all(torch.equal(second[name], old[name]) for name in old)


def test_non_finite_gradients_are_skipped_then_end_the_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "charbonnier", lambda restored, clean: (restored - clean).mean() * float("nan"))
    with pytest.raises(RunirError, match="non-finite gradients in a row"):
        train(project, "run", "schedule.steps=100")


def test_a_step_that_is_left_out_leaves_no_trace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runir.training.loop import Trainer

    steps = Trainer.train_step

    def poisoned(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        if self.step != 5:
            return steps(self, degraded, clean)
        before = {name: t.clone() for name, t in self.tensors().items()}
        result = steps(self, degraded * float("nan"), clean)
        after = self.tensors()
        assert all(torch.equal(after[name], t) for name, t in before.items())
        return result

    monkeypatch.setattr(Trainer, "train_step", poisoned)
    tensors = load_tensors(train(project, "run"))[0]
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_resuming_with_other_folders_is_refused(project: Path) -> None:
    train(project, "run")
    (project / "other").mkdir()
    (project / "other" / "a.png").write_bytes((project / "data" / "p0.png").read_bytes())
    with pytest.raises(UsageError, match="leave --data out"):
        run_training(project / "tiny.toml", [project / "other"], project / "run", resume=True)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("data.degradation.name='awng'", "did you mean 'awgn'"),
        ("data.degradation.name=['awgn']", "a word is needed"),
        ("data.degradation.sigam=[1, 2]", "did you mean 'sigma'"),
        ("validation.levels=['awng:5']", "did you mean 'awgn'"),
        ("validation.crop=0", "at least 11"),
        ("data.pairs=2", "share in"),
        ("model.context=true", "network.context"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_made(project: Path, assignment: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(project, "out", assignment)
    assert not (project / "out").exists()


def test_a_run_folder_is_not_overwritten(project: Path) -> None:
    train(project, "run")
    with pytest.raises(UsageError, match="--resume"):
        train(project, "run")


@pytest.mark.parametrize(("folder", "words"), [("nowhere", "no such folder"), ("empty", "no pictures")])
def test_folders_without_pictures_are_refused(project: Path, folder: str, words: str) -> None:
    (project / "empty").mkdir()
    with pytest.raises(UsageError, match=words):
        run_training(project / "tiny.toml", [project / folder], project / "out")
    assert not (project / "out").exists()


def test_pairs_train_too(project: Path) -> None:
    for side in ("input", "target"):
        (project / "pairs" / side).mkdir(parents=True)
        for path in (project / "data").iterdir():
            (project / "pairs" / side / path.name).write_bytes(path.read_bytes())
    (project / "tiny.toml").write_text(RECIPE.replace("[data]", '[data]\nkind = "pairs"'))
    run_training(project / "tiny.toml", [project / "pairs"], project / "out")
    both = (project / "tiny.toml").read_text().replace('kind = "pairs"', 'kind = "both"')
    (project / "both.toml").write_text(both)
    run_training(project / "both.toml", [project / "pairs", project / "data"], project / "out3")
    header = (project / "out3" / "validation.csv").read_text().splitlines()[0]
    assert header == "step,awgn:25,pairs"
    with pytest.raises(UsageError, match="folders of clean pictures and folders with input"):
        run_training(project / "both.toml", [project / "pairs"], project / "out4")
    Image.new("RGB", (30, 31)).save(project / "pairs" / "target" / "p9.png")  # held out
    with pytest.raises(UsageError, match=r"p9\.png and .*p9\.png differ in size"):
        run_training(project / "tiny.toml", [project / "pairs"], project / "out2")
    (project / "pairs" / "target" / "p3.png").unlink()
    with pytest.raises(RunirError, match=r"p3\.png: has no partner"):
        run_training(project / "tiny.toml", [project / "pairs"], project / "out2")


def test_a_damaged_checkpoint_is_refused(project: Path) -> None:
    train(project, "run")
    path = project / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunirError, match="damaged"):
        train(project, "run", resume=True)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.safetensors"
    save_tensors({"a": torch.ones(3)}, {"step": 1}, path)
    from runir.images import place

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, "_write", full)
    with pytest.raises(RunirError, match=r"c\.safetensors: disk full"):
        save_tensors({"a": torch.zeros(3)}, {"step": 2}, path)
    assert load_tensors(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_muon_updates_are_orthogonal() -> None:
    matrices = torch.randn(3, 24, 60, generator=torch.Generator().manual_seed(0))
    for batch in (matrices, matrices.mT.contiguous()):
        values = torch.linalg.svdvals(orthogonalise(batch))
        assert values.min() > 0.5
        assert values.max() < 1.4


def test_muon_gets_the_hidden_matrices_and_adamw_the_rest() -> None:
    from runir.models.presets import preset
    from runir.models.run import RUN

    model = RUN(preset("run-t"))
    adamw, muon = build_optimisers(model, OptimSection())
    assert isinstance(muon, Muon)
    names = {id(p): n for n, p in model.named_parameters()}
    hidden = {names[id(p)] for p in muon.param_groups[0]["params"]}
    rest = {names[id(p)] for p in adamw.param_groups[0]["params"]}
    assert hidden | rest == set(names.values())
    assert not hidden & rest
    assert {"stem.weight", "head.weight"} <= rest
    assert all(n.endswith("weight") for n in hidden)
    (only,) = build_optimisers(model, OptimSection(optimiser="adamw"))
    assert len(only.param_groups[0]["params"]) == len(names)


def test_the_average_follows_the_weights() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, 0.9)
    expected = start = model.weight.item()
    for step in range(200):
        with torch.no_grad():
            model.weight.fill_(start + step)
        average.update(model, step)
        decay = min(0.9, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * (start + step)
    assert average.tensors["weight"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_fall_with_the_error_and_have_gradients_at_zero(name: str) -> None:
    clean = torch.rand(2, 3, 8, 8)
    values = [LOSSES[name](clean + e, clean).item() for e in (0.2, 0.1, 0.0)]
    assert values[0] > values[1] > values[2]
    restored = clean.clone().requires_grad_()
    torch.autograd.backward(LOSSES[name](restored, clean))
    assert restored.grad is not None
    assert torch.isfinite(restored.grad).all()


def test_relative_loss_weighs_samples_by_their_own_error() -> None:
    clean = torch.zeros(2, 3, 8, 8)
    restored = torch.stack([torch.full((3, 8, 8), 0.4), torch.full((3, 8, 8), 0.04)]).requires_grad_()
    torch.autograd.backward(LOSSES["relative-charbonnier"](restored, clean))
    assert restored.grad is not None
    heavy, light = restored.grad.abs().mean((1, 2, 3)).tolist()
    assert light / heavy == pytest.approx(0.43 / 0.07, rel=0.01)
