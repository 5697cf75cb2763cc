"""The recognizer's loss against sums by hand, its shapes, and that it learns."""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from edge_ocr.ctc import decompose
from edge_ocr.scanners.strings import distance
from tests.faces import make_face
from training.recognizer.data import LineBatches
from training.recognizer.hard import Hard
from training.recognizer.loss import (
    batch_log_probs,
    ctc_loss,
    ctc_losses,
    encode_targets,
    entropy,
    objective,
    steps_needed,
)
from training.recognizer.model import LayerNormHC, Recognizer, RecognizerConfig
from training.recognizer.train import initialise, main
from training.synth.line import Recipe

SMALL = {"widths": (8, 8, 16, 16, 16), "dim": 16, "heads": 2, "layers": 1, "feed_forward": 32, "lstm_hidden": 8}


def config(**over: object) -> RecognizerConfig:
    return RecognizerConfig(**{"charset": "ab1 ", **SMALL, **over})  # type: ignore[arg-type]


def brute_force(log_probs: torch.Tensor, target: list[int]) -> torch.Tensor:
    """-log of the summed probability of every path that collapses to ``target``; ``log_probs`` [T, K], blank 0."""
    columns, symbols = log_probs.shape
    paths = []
    for path in itertools.product(range(symbols), repeat=columns):
        kept = [k for k, before in zip(path, (-1, *path), strict=False) if k != before and k != 0]
        if kept == target:
            paths.append(sum(log_probs[t, k] for t, k in enumerate(path)))
    return -torch.logsumexp(torch.stack(paths), 0)


@pytest.mark.parametrize("text", ["a", "ab", "aa", "한", "한a", "한한", "한글"])
def test_loss_and_gradient_are_those_of_every_alignment(text: str) -> None:
    torch.manual_seed(len(text))
    heads = {"symbols": 6, "initial": 19, "medial": 21, "final": 28}
    outputs = {k: torch.randn(1, 4, n, dtype=torch.float32, requires_grad=True) for k, n in heads.items()}
    got = ctc_loss(outputs, [text], torch.tensor([4]), "ab1 ")
    grads = torch.autograd.grad(got, list(outputs.values()), allow_unused=True)
    # The same by hand: log-probabilities of the text's own symbols, summed over all paths among blank and them.
    lp = torch.log_softmax(outputs["symbols"][0], -1)
    columns, order = [lp[:, 0]], sorted(set(text))
    for c in order:
        if c in "ab1 ":
            columns.append(lp[:, 1 + "ab1 ".index(c)])
        else:
            i, m, f = decompose(c)
            parts = [torch.log_softmax(outputs[k][0], -1) for k in ("initial", "medial", "final")]
            columns.append(lp[:, 5] + parts[0][:, i] + parts[1][:, m] + parts[2][:, f])
    want = brute_force(torch.stack(columns, 1), [1 + order.index(c) for c in text]) / math.sqrt(len(text)) / 2
    assert got.item() == pytest.approx(want.item(), rel=1e-4)
    for mine, truth in zip(grads, torch.autograd.grad(want, list(outputs.values()), allow_unused=True), strict=True):
        if truth is None:
            assert mine is None or mine.abs().max() == 0
        else:
            assert mine is not None
            torch.testing.assert_close(mine, truth, atol=1e-5, rtol=1e-3)


def test_columns_beyond_a_sample_carry_no_gradient() -> None:
    symbols = torch.randn(2, 6, 5, requires_grad=True)
    loss = ctc_loss({"symbols": symbols}, ["ab", "a"], torch.tensor([6, 3]), "ab1 ")
    (grad,) = torch.autograd.grad(loss, symbols)
    assert grad[1, 3:].abs().max() == 0
    assert grad[1, :3].abs().max() > 0


def test_losses_are_less_the_logarithm_of_the_probability() -> None:
    symbols = torch.log(torch.tensor([[[0.1, 0.6, 0.2, 0.05, 0.05], [0.3, 0.1, 0.5, 0.05, 0.05]]]))
    # "ab" in two columns has one path; "a" has three: a-, -a, aa
    assert ctc_losses({"symbols": symbols}, ["ab"], torch.tensor([2]), "ab1 ").item() == pytest.approx(-math.log(0.3))
    want = -math.log(0.6 * 0.3 + 0.1 * 0.1 + 0.6 * 0.1)
    assert ctc_losses({"symbols": symbols}, ["a"], torch.tensor([2]), "ab1 ").item() == pytest.approx(want, rel=1e-5)


def test_entropy_is_that_of_every_symbol() -> None:
    torch.manual_seed(2)
    heads = {"symbols": 4, "initial": 19, "medial": 21, "final": 28}
    outputs = {k: torch.randn(2, 3, n, requires_grad=True) for k, n in heads.items()}
    got = entropy(outputs, torch.tensor([3, 2]))
    every = ["a", "b", *(chr(c) for c in range(0xAC00, 0xD7A4))]
    lp = batch_log_probs(outputs, every, "ab").double()  # [T, N, K]: blank, a, b and all syllables
    columns = -(lp.exp() * lp).sum(-1)
    want = torch.stack([columns[:, 0].sum(), columns[:2, 1].sum()])
    torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-4)
    got.sum().backward()
    assert all(v.grad is not None and v.grad[1, 2].abs().max() == 0 for v in outputs.values())


def test_doubt_is_rewarded_where_the_text_fits() -> None:
    torch.manual_seed(4)
    outputs = {"symbols": torch.randn(2, 4, 6)}
    texts, steps = ["a1", "ab1ab1"], torch.tensor([4, 4])  # the second does not fit in four columns
    plain, losses = objective(outputs, texts, steps, "ab1 ")
    assert losses[0] > 0 and losses[1] == 0
    assert plain.item() == pytest.approx(ctc_loss(outputs, texts, steps, "ab1 ").item())
    doubtful, _ = objective(outputs, texts, steps, "ab1 ", 0.1)
    gain = 0.1 * entropy(outputs, steps)[0].item() / math.sqrt(2) / 2 / 2
    assert plain.item() - doubtful.item() == pytest.approx(gain, rel=1e-4)


def test_targets_and_steps() -> None:
    targets, lengths, symbols = encode_targets(["ba", "a"], "ab")
    assert symbols == ["a", "b"]
    assert targets.tolist() == [2, 1, 1]
    assert lengths.tolist() == [2, 1]
    assert [steps_needed(t) for t in ("", "a", "ab", "aa", "aaab")] == [0, 1, 2, 3, 6]


def test_log_probs_of_all_syllables_sum_to_the_class() -> None:
    torch.manual_seed(0)
    outputs = {k: torch.randn(1, 2, n) for k, n in {"symbols": 4, "initial": 19, "medial": 21, "final": 28}.items()}
    every = [chr(c) for c in range(0xAC00, 0xD7A4)]
    lp = batch_log_probs(outputs, every, "ab")[:, 0, 1:]
    want = torch.log_softmax(outputs["symbols"], -1)[0, :, 3]
    torch.testing.assert_close(torch.logsumexp(lp, -1), want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sequence", ["attention", "lstm"])
@pytest.mark.parametrize("width", [32, 64, 100])
def test_a_column_for_every_four_pixels(sequence: str, width: int) -> None:
    net = Recognizer(config(sequence=sequence)).eval()
    out = net(torch.zeros(2, 32, width, dtype=torch.uint8))
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "symbols": (2, width // 4, 6),
        "initial": (2, width // 4, 19),
        "medial": (2, width // 4, 21),
        "final": (2, width // 4, 28),
    }
    assert set(Recognizer(config(sequence=sequence, head="flat"))(torch.zeros(2, 32, 32, dtype=torch.uint8))) == {
        "symbols"
    }


def test_layer_norm_is_per_column_over_height_and_channel() -> None:
    x = torch.randn(2, 3, 4, 5) * 7 + 3
    y = LayerNormHC(3, 4)(x)
    for n in range(2):
        for w in range(5):
            column = y[n, :, :, w]
            assert column.mean().item() == pytest.approx(0, abs=1e-5)
            assert column.pow(2).mean().item() == pytest.approx(1, abs=1e-3)
    # Gain of a column's own contrast does not matter, nor does another column.
    other = x.clone()
    other[..., 1:] = 0
    other[..., 0] *= 10
    torch.testing.assert_close(LayerNormHC(3, 4)(other)[..., 0], y[..., 0], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("sequence", ["attention", "lstm"])
def test_it_learns_three_pictures(sequence: str) -> None:
    torch.manual_seed(1)
    images = torch.zeros(3, 32, 48, dtype=torch.uint8)
    images[0, 8:24, 4:20] = 255
    images[1, :, 10:14] = 255
    images[2, 4:8], images[2, 20:28, ::8] = 255, 255
    texts, steps = ["a1", "한", "b 글"], torch.full((3,), 12)
    net = Recognizer(config(sequence=sequence))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    first = None
    for _ in range(120):
        loss = ctc_loss(net(images), texts, steps, net.config.charset)
        first = loss.item() if first is None else first
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05 * first


def test_weights_go_on_where_shapes_fit(tmp_path: Path) -> None:
    source = Recognizer(config())
    torch.save({"ema": source.state_dict()}, tmp_path / "a.pt")
    other = Recognizer(config(charset="abcdefgh", head="flat"))
    before = other.symbols.weight.clone()
    taken = initialise(other, tmp_path / "a.pt")
    assert 0 < taken < len(source.state_dict())
    torch.testing.assert_close(other.collapse.weight, source.collapse.weight)
    torch.testing.assert_close(other.symbols.weight, before)


@pytest.mark.parametrize(
    ("a", "b", "far"), [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("가나", "나가", 2)]
)
def test_edit_distance(a: str, b: str, far: int) -> None:
    assert distance(a, b) == far
    assert distance(b, a) == far


# -- hard examples ----------------------------------------------------------------------------------------------
def test_what_was_misread_is_drawn_again_and_not_for_ever() -> None:
    again, rng = Hard(1.0), np.random.default_rng(0)
    recipes = [Recipe(("ab",), "face"), Recipe(("cd",), "face"), Recipe(("ef",), "face"), None]
    # misread; read, though the network is not sure; so dark that nobody can read it; not to be drawn again
    assert again.tell(recipes, ["ab", "cd", "ef", "gh"], ["a", "cd", "", ""], [1.0, 4.0, 50.0, 1.0]) == 1
    tried = []
    while (recipe := waited(again, rng)) is not None:
        tried.append(recipe.tries)
        assert recipe.lines == ("ab",)
        again.tell([recipe], ["ab"], ["b"], [1.0])
    assert tried == [1, 2, 3, 4]


def test_hard_examples_leave_room_for_new_ones() -> None:
    again, rng = Hard(0.25, room=4), np.random.default_rng(0)
    recipe = Recipe(("ab",), "face")
    assert again.tell([recipe] * 9, ["ab"] * 9, ["a"] * 9, [1.0] * 9) == 4  # a full queue forgets, and blocks nobody
    time.sleep(0.2)
    taken = 0
    for _ in range(400):
        taken += again.take(rng) is not None
        again.tell([recipe], ["ab"], ["a"], [1.0])
        time.sleep(0.0005)
    assert 40 < taken < 130
    none = Hard(0.0)
    assert none.tell([recipe], ["ab"], ["a"], [1.0]) == 0 and none.take(rng) is None
    with pytest.raises(ValueError, match="share"):
        Hard(1.5)


def waited(again: Hard, rng: np.random.Generator) -> Recipe | None:
    """A queue between processes hands over after a moment."""
    for _ in range(20):
        if (recipe := again.take(rng)) is not None:
            return recipe
        time.sleep(0.01)
    return None


# -- a run ------------------------------------------------------------------------------------------------------
@pytest.fixture
def ingredients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Faces whose letters are all the same block, and a few words."""
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "cache"))
    ascii_points = list(range(0x21, 0x7F))
    for n in range(10):  # every tenth Latin face is reserved
        make_face(tmp_path / "fonts" / "latin" / f"plain{n}.ttf", ascii_points)
    make_face(tmp_path / "fonts" / "hangul" / "some.ttf", [*ascii_points, *range(0xAC00, 0xD7A4)])
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "words_en.tsv").write_text("river\t1\ntable\t0.5\n", encoding="utf-8")
    (tmp_path / "text" / "words_ko.tsv").write_text("바다\t1\n", encoding="utf-8")
    return tmp_path


def test_what_was_misread_comes_back_among_what_is_new(ingredients: Path) -> None:
    again = Hard(0.5)
    charset = "".join(map(chr, range(0x20, 0x7F)))
    batches = iter(
        LineBatches(
            ingredients=str(ingredients), lang="en", charset=charset, columns=512, max_width=200, seed=1, again=again
        )
    )
    new, old = [], []
    for _ in range(60):
        batch = next(batches)
        assert [r and r.lines for r in batch.recipes] == [(t,) for t in batch.texts]
        (old if any(r and r.tries for r in batch.recipes) else new).append(batch)
        again.tell(batch.recipes, batch.texts, [""] * len(batch.texts), [1.0] * len(batch.texts))
        if old:
            break
        time.sleep(0.01)
    told = {r.lines for batch in new for r in batch.recipes if r}
    assert {r.lines for batch in old for r in batch.recipes if r and r.tries} <= told and old


@pytest.fixture
def run(ingredients: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """Trains a tiny recognizer for seconds, and gives its last state."""
    tmp_path = ingredients
    root = Path(__file__).resolve().parent.parent
    monkeypatch.chdir(root)
    # Letters that are all the same block cannot be read: let them be taken for hard ones all the same.
    monkeypatch.setattr("training.recognizer.hard.UNREADABLE", 100.0)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    config = json.loads((root / "training" / "recognizer" / "configs" / "en.json").read_text(encoding="utf-8"))
    config |= {**SMALL, "widths": list(SMALL["widths"]), "max_width": 200, "batch_columns": 512, "held_out": 8}
    (tmp_path / "tiny.json").write_text(json.dumps(config), encoding="utf-8")

    def train(minutes: float, *more: str) -> dict[str, Any]:
        command = ["train", str(tmp_path / "tiny.json"), "--ingredients", str(tmp_path), "--out", str(tmp_path / "out")]
        command += ["--minutes", str(minutes), "--workers", "0", "--validate-every", "0.03"]
        monkeypatch.setattr(sys, "argv", [*command, *more])
        main()
        state: dict[str, Any] = torch.load(tmp_path / "out" / "last.pt", weights_only=True)
        rows = (tmp_path / "out" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return state | {"log": [json.loads(row) for row in rows]}

    yield train
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


def test_a_run_learns_from_its_errors_averages_and_goes_on(run: Callable[..., dict[str, Any]]) -> None:
    first = run(0.15)
    assert first["step"] > 10 and first["samples"] > first["step"]
    assert any(not torch.equal(first["ema"][k], v) for k, v in first["model"].items())
    losses = [row["loss"] for row in first["log"] if "loss" in row]
    assert len(losses) >= 2 and all(0 < x < 100 for x in losses) and losses[-1] < losses[0]
    told = [row["drawn_again"] for row in first["log"] if "drawn_again" in row]
    assert told[-1] > 0 and told == sorted(told)
    second = run(0.2, "--resume", "--hard", "0", "--entropy", "0")
    assert second["step"] > first["step"] and second["seconds"] > first["seconds"]
    assert [row["drawn_again"] for row in second["log"] if "drawn_again" in row][len(told) :] in ([], [0], [0, 0])
    assert second["log"][: len(first["log"])] == first["log"]
