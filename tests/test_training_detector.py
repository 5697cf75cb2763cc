"""The detector's network, loss, trainer and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")
pytest.importorskip("tqdm")

from edge_ocr.detect import encode  # noqa: E402
from training.detector import train as trainer  # noqa: E402
from training.detector.loss import LossConfig, detector_loss, distillation  # noqa: E402
from training.detector.model import Deployed, Detector, ModelConfig  # noqa: E402
from training.detector.train import Config, f_measure, match, rate_at, targets, validate  # noqa: E402
from training.synth.scene import Scene  # noqa: E402

TINY = ModelConfig(widths=(16, 16, 32, 32, 32), depths=(1, 1, 1), neck=(32, 16, 16))


def box(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def some_scene(size: int = 128) -> Scene:
    rng = np.random.default_rng(3)
    image = np.full((size, size, 3), 230, np.uint8)
    quads = np.array([box(12, 14, 60, 30), box(70, 14, 118, 30), box(20, 60, 110, 90)], np.float32)
    for x0, y0, x1, y1 in quads[:, [0, 2]].reshape(-1, 4).astype(int):
        stripes = rng.integers(0, 2, (1, (x1 - x0) // 3 + 1)).repeat(3, 1)[:, : x1 - x0]
        image[y0:y1, x0:x1] = np.where(stripes, 20, 230)[..., None]
    return Scene(image, quads, np.zeros(3, bool), "page")


def batch_of(scene: Scene, config: Config) -> tuple[Any, ...]:
    return tuple(t[None] for t in targets(scene, config))


def test_the_network_is_small_and_its_maps_have_stride_four() -> None:
    model = Detector().eval()
    assert sum(p.numel() for p in model.parameters()) <= 1_200_000
    with torch.no_grad():
        score, geometry = Deployed(model)(torch.zeros((2, 64, 96, 3), dtype=torch.uint8))
    assert score.shape == (2, 16, 24)
    assert geometry.shape == (2, 16, 24, 5)
    assert (geometry[..., :4] > 0).all()
    assert (geometry[..., 4].abs() <= np.pi / 4).all()
    assert ((score >= 0) & (score <= 1)).all()


def test_the_trainer_and_the_shipped_network_normalise_alike() -> None:
    model = Detector(TINY).eval()
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits, _ = model(trainer.normalise(image))
        score, _ = Deployed(model)(image)
    torch.testing.assert_close(torch.sigmoid(logits[:, 0]), score)


def test_perfect_maps_cost_nothing_and_every_error_costs() -> None:
    _, score, truth, mask = batch_of(some_scene(), Config())
    logits = (score * 2 - 1)[:, None] * 20
    perfect = detector_loss(logits, truth, score, truth, mask, LossConfig())
    assert float(perfect.total) < 1e-3
    wide = truth.clone()
    wide[:, 1] += 6
    assert float(detector_loss(logits, wide, score, truth, mask, LossConfig()).edge) > 0.03
    turned = truth.clone()
    turned[:, 4] += 0.2
    assert float(detector_loss(logits, wide, score, truth, mask, LossConfig()).box) > 0.03
    assert float(detector_loss(logits, turned, score, truth, mask, LossConfig()).angle) == pytest.approx(
        np.sin(0.2) - 0.01, abs=1e-4
    )
    blind = detector_loss(-logits.abs(), truth, score, truth, mask, LossConfig())
    assert float(blind.dice) > 0.8
    assert float(blind.bce) > 1


def test_ignored_regions_give_no_gradient() -> None:
    size = (128, 128)
    made = encode(np.array([box(8, 8, 60, 40), box(70, 70, 120, 110)]), np.array([False, True]), size)
    score, mask = torch.from_numpy(made.score)[None], torch.from_numpy(made.mask)[None]
    truth = torch.from_numpy(made.geometry.transpose(2, 0, 1).copy())[None]
    logits = torch.zeros((1, 1, 32, 32), requires_grad=True)
    maps = torch.ones((1, 5, 32, 32), requires_grad=True)
    detector_loss(logits, maps, score, truth, mask, LossConfig(floor=100_000)).total.backward()
    assert (mask == 0).any()
    assert (logits.grad[0, 0][mask[0] == 0] == 0).all()
    assert (maps.grad[0][:, mask[0] == 0] == 0).all()
    assert (logits.grad[0, 0][(mask * score)[0] > 0] < 0).all()


def test_a_picture_without_text_has_a_finite_loss() -> None:
    nothing = torch.zeros((1, 16, 16))
    logits = torch.zeros((1, 1, 16, 16), requires_grad=True)
    losses = detector_loss(
        logits, torch.ones((1, 5, 16, 16)), nothing, torch.zeros((1, 5, 16, 16)), nothing + 1, LossConfig()
    )
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert torch.isfinite(logits.grad).all()
    assert float(losses.box) == 0


def test_a_student_that_says_what_its_teacher_says_pays_nothing_and_any_other_pays() -> None:
    _, score, truth, _ = batch_of(some_scene(), Config())
    taught = (score * 2 - 1)[:, None] * 3  # not sure: the teacher's own entropy is no loss
    same = distillation(taught, truth, taught, truth, LossConfig())
    assert abs(float(same.total)) < 1e-6
    surer = distillation(taught * 3, truth, taught, truth, LossConfig())
    assert float(surer.bce) > 0.01
    assert float(surer.box + surer.edge + surer.angle) == 0
    wide, turned = truth.clone(), truth.clone()
    wide[:, 1] += 6
    turned[:, 4] += 0.2
    assert float(distillation(taught, wide, taught, truth, LossConfig()).box) > 0.03
    assert float(distillation(taught, wide, taught, truth, LossConfig()).edge) > 0.03
    assert float(distillation(taught, turned, taught, truth, LossConfig()).angle) == pytest.approx(
        np.sin(0.2) - 0.01, abs=1e-4
    )
    # Where the teacher sees no text its geometry is noise, and does not matter.
    assert float(distillation(-taught.abs(), wide, -taught.abs(), truth, LossConfig()).total) < 1e-6


def test_learning_from_a_teacher_leads_to_the_teacher_and_leaves_it_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    teacher, student = Detector(TINY), Detector(ModelConfig(**{**TINY.__dict__, "inner": (16, 16, 16)}))
    with torch.no_grad():
        teacher.head.weight.normal_(std=0.5)
    torch.save({"config": {"model": TINY.__dict__}, "average": teacher.state_dict()}, tmp_path / "teacher.pt")
    guide, config = trainer.load_teacher(tmp_path / "teacher.pt"), Config(taught=1.0)
    before = {k: v.clone() for k, v in guide.state_dict().items()}
    image, score, truth, mask = batch_of(some_scene(), config)
    pixels = trainer.normalise(image)
    optimiser = torch.optim.AdamW(student.parameters(), lr=2e-3)
    totals = []
    for _ in range(60):
        logits, maps = student(pixels)
        own = detector_loss(logits, maps, score, truth, mask, config.loss)
        losses = trainer.learn_from(guide, pixels, logits, maps, own, config)
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        totals.append(float(losses.total.detach()))
    assert totals[-1] < 0.7 * totals[0]
    assert float(losses.dice) == 0  # nothing of truth is left in the loss at a share of one
    assert all(torch.equal(v, before[k]) for k, v in guide.state_dict().items())


def test_kept_weights_can_teach(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    weights = {k: v.half() if v.is_floating_point() else v for k, v in Detector(TINY).state_dict().items()}
    notes = {"model_config": json.dumps({"model": TINY.__dict__})}
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "kept.safetensors", metadata=notes)
    guide = trainer.load_teacher(tmp_path / "kept.safetensors")
    assert not guide.training
    assert torch.equal(guide.stem[0].weight, weights["stem.0.weight"].float())
    save_file(weights, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="model_config"):
        trainer.load_teacher(tmp_path / "bare.safetensors")


def test_one_scene_can_be_learnt_by_heart() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    scene, config = some_scene(), Config(model=TINY)
    image, score, truth, mask = batch_of(scene, config)
    model = Detector(TINY)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(150):
        loss = detector_loss(*model(trainer.normalise(image)), score, truth, mask, config.loss).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    for module in model.modules():  # one picture: its statistics are those of the batch
        if isinstance(module, torch.nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    assert validate(model, [scene], torch.device("cpu"))["f"] == 1.0


def test_matching_counts_hits_extras_and_leaves_ignored_text_alone() -> None:
    truth = np.array([box(0, 0, 10, 10), box(20, 0, 30, 10), box(40, 0, 60, 10)], float)
    found = np.array([box(0, 0, 10, 9), box(1, 0, 11, 10), box(41, 0, 60, 10), box(80, 0, 90, 10)], float)
    assert match(found, truth, np.array([False, False, True])) == (1, 3, 2)
    assert match(np.zeros((0, 4, 2)), truth, np.array([False, False, True])) == (0, 0, 2)
    assert f_measure(1, 2, 4) == {"precision": 0.5, "recall": 0.25, "f": 0.3333}
    assert f_measure(0, 0, 0)["f"] == 0


def test_the_rate_rises_falls_and_ends_at_zero() -> None:
    config = Config()
    rates = [rate_at(p, config) for p in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(config.rate, rel=0.02)
    assert rates[-1] == 0
    assert rates[0] < 0.1 * config.rate
    assert (np.diff(rates[5:]) <= 0).all()


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="shrinkk"):
        Config.from_dict({"shrinkk": 0.2})
    assert Config.from_dict({"model": {"widths": [16, 16, 32, 32, 32]}}).model.widths == (16, 16, 32, 32, 32)


class _Endless:
    """Stands for Scenes where a checkout has no ingredients."""

    @classmethod
    def load(cls, folder: str, **how: Any) -> _Endless:
        return cls()

    def __iter__(self) -> _Endless:
        return self

    def __next__(self) -> Scene:
        return some_scene(64 * 2)


def test_a_run_keeps_its_state_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "Scenes", _Endless)
    monkeypatch.setattr(trainer, "curves", lambda *a: None)
    config = Config(size=128, batch=1, model=TINY, validation=1)
    trainer.train("nowhere", tmp_path, 0.02, config)
    before = torch.load(tmp_path / "last.pt", weights_only=True)
    result = trainer.train("nowhere", tmp_path, 0.04, config, resume=True)
    after = torch.load(tmp_path / "last.pt", weights_only=True)
    assert after["step"] > before["step"] > 0
    assert after["seconds"] > before["seconds"]
    starts = [r for r in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines()) if r["event"] == "start"]
    assert [r["step"] for r in starts] == [0, before["step"]]
    model, data = trainer.load_model(tmp_path / "final.pt")
    assert data["measures"] == result
    assert not model.training


@pytest.mark.filterwarnings("ignore")  # of torch's own exporter
def test_folding_and_onnx_change_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from training.detector.export import fold, parity, write_onnx

    torch.manual_seed(0)
    model = Detector(TINY).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.running_mean, std=0.2)
    folded = fold(model)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    path = tmp_path / "detector.onnx"
    write_onnx(model, path)
    sizes = ((1, 64, 96), (3, 128, 32))
    assert parity(model, path, sizes=sizes) < 1e-4
    with torch.no_grad():
        model.head.bias += 0.1
    assert parity(model, path, sizes=sizes) > 1e-3, "a parity check that cannot fail is none"


def test_the_config_file_says_what_the_defaults_say() -> None:
    path = Path(trainer.__file__).parent / "configs" / "detector.json"
    assert Config.from_dict(json.loads(path.read_text(encoding="utf-8"))) == Config()


def test_weights_go_on_where_shapes_fit(tmp_path: Path) -> None:
    source = Detector()
    torch.save({"average": source.state_dict()}, tmp_path / "a.pt")
    fresh = Detector()
    assert not torch.equal(fresh.stem[0].weight, source.stem[0].weight)
    assert trainer.initialise(fresh, tmp_path / "a.pt") == len(source.state_dict())
    torch.testing.assert_close(fresh.stem[0].weight, source.stem[0].weight)
