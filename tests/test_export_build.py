"""The stages of a build: run once, gone on with, gated by figures that can miss, registered in one step."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from calibration.samples import Samples
from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from edge_ocr.recognize import Recognizer as Runtime
from export.build import arguments, job_of, main, pairs
from export.checkpoint import save_trained
from export.gates import GateError, HeldOut, Limits
from export.quantize import Plan
from export.report import write_report
from export.stages import STAGES, Build, Job
from tests.test_export_onnx import network, trained
from training.synth.line import Sample

pytestmark = pytest.mark.filterwarnings("ignore")
LOOSE = Limits(loss=1.0, difference=1e-2)


def batch(n: int = 4) -> np.ndarray:
    rough = np.random.default_rng(3).integers(0, 256, (n, 8, 24), dtype=np.uint8)
    return rough.repeat(4, 1).repeat(4, 2)


def lines(manifest: m.Manifest) -> HeldOut:
    """Crops whose texts are anything: what matters is that both models are measured on the same."""
    return HeldOut(lines=[Sample(x, t) for x, t in zip(batch(), ("ab", "1", "b a", "a1b"), strict=True)])


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("build")
    save_trained(trained(network()), folder / "run" / "last.pt")
    return Job(
        run=folder / "run",
        name="ko",
        out=folder / "weights",
        work=folder / "work",
        plan=Plan(estimator="minmax"),
        limits=LOOSE,
        like=Path("nowhere"),
        measures={"shop exact": 0.5},
        draw=lines,
        samples=lambda manifest, data: Samples([{"crops": batch()}], []),
    )


@pytest.fixture(scope="module")
def built(job: Job) -> Job:
    Build(job).run()
    return job


def said(job: Job, **changes: object) -> list[str]:
    told: list[str] = []
    Build(dataclasses.replace(job, **changes), told.append).run()  # type: ignore[arg-type]
    return told


def registered(told: list[str]) -> bool:
    return any(x.startswith("register: folder") for x in told)


def test_a_run_becomes_a_registered_int8_model(built: Job) -> None:
    folder = built.out / "ko"
    assert sorted(x.name for x in folder.iterdir()) == ["model.json", "model.onnx"]
    manifest = m.load_manifest(folder)
    assert isinstance(manifest, m.RecognizeManifest)
    assert manifest.quantisation is not None and manifest.quantisation.weight_bits == 7
    assert manifest.made.command.endswith("python -m export.build RUN --name ko --int8")
    assert set(manifest.measures) == {"shop exact", "fp32 cer drawn", "int8 cer drawn", "int8 cpu"}
    runtime = Runtime(manifest, OnnxEngine(m.read_model_file(folder, manifest)))
    assert len(runtime.recognize([x[:, :, None].repeat(3, 2) for x in batch()])) == 4
    assert not [x for x in built.out.iterdir() if x.name != "ko"]  # nothing half-made beside it


def test_a_second_run_does_nothing_again(built: Job) -> None:
    before = {p: p.stat().st_mtime_ns for p in built.work.rglob("model.onnx")}
    assert said(built) == [f"{s}: as before" for s in STAGES]
    assert {p: p.stat().st_mtime_ns for p in built.work.rglob("model.onnx")} == before


def test_what_was_damaged_is_made_again_and_nothing_before_it(built: Job) -> None:
    ship = built.work / "ship" / "ko" / "model.onnx"
    whole = ship.read_bytes()
    ship.write_bytes(whole[:100])
    told = said(built)
    assert "export: as before" in told and not any(x == "quantise: as before" for x in told)
    assert ship.read_bytes() == whole


def test_a_figure_that_misses_is_named_and_nothing_is_registered(built: Job) -> None:
    out = built.out.parent / "strict"
    limits = Limits(loss=-1.0, difference=1e-12, bytes=10, cpu=1e-6)
    tight = dataclasses.replace(built, out=out, limits=limits)
    build = Build(tight, lambda line: None)
    with pytest.raises(GateError) as caught:
        build.run()
    for name in ("difference", "bytes", "cpu", "cer drawn"):
        assert f"{name}: " in str(caught.value)
    assert not (out / "ko").exists()
    page = write_report(build).read_text(encoding="utf-8")
    assert "missed: " in page and "Not registered." in page and "<svg" in page
    report = json.loads((build.job.work / "report.json").read_text(encoding="utf-8"))
    assert len(report["missed"]) == 4
    assert set(report["points"]) == {"exported", "shipped"}
    assert report["points"]["shipped"]["bytes"] < report["points"]["exported"]["bytes"]
    told = said(built)  # the limits alone were too strict: nothing is quantised again
    assert "quantise: as before" in told and registered(told)


def test_stages_alone_need_what_comes_before_them(built: Job, tmp_path: Path) -> None:
    fresh = dataclasses.replace(built, work=tmp_path / "work", out=tmp_path / "out")
    for stage, needed in (
        ("quantise", "export"),
        ("manifest", "export"),
        ("parity", "manifest"),
        ("register", "parity"),
    ):
        with pytest.raises(FileNotFoundError, match=needed):
            Build(fresh, lambda line: None).run(only=(stage,))


def test_a_model_that_is_there_gives_its_thresholds(built: Job, tmp_path: Path) -> None:
    manifest = m.load_manifest(built.out / "ko")
    assert isinstance(manifest, m.RecognizeManifest)
    (tmp_path / "like").mkdir()
    (tmp_path / "like" / "model.onnx").write_bytes((built.out / "ko" / "model.onnx").read_bytes())
    decode = dataclasses.replace(manifest.decode, space=0.77)
    confidence = dataclasses.replace(manifest.confidence, temperature=3.0, minimum=0.11)
    m.write_manifest(tmp_path / "like", dataclasses.replace(manifest, decode=decode, confidence=confidence))
    told = said(built, work=tmp_path / "work", out=tmp_path / "out", like=tmp_path / "like", precision="half")
    assert registered(told)
    made = m.load_manifest(tmp_path / "out" / "ko")
    assert isinstance(made, m.RecognizeManifest)
    assert (made.decode.space, made.confidence.minimum, made.quantisation) == (0.77, 0.11, None)
    assert made.confidence.temperature == 1.0  # that belongs to other weights


def test_options_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pairs(["a=1", "b=0.5"]) == {"a": 1.0, "b": 0.5}
    with pytest.raises(ValueError, match="NAME=VALUE"):
        pairs(["a"])
    parse = arguments().parse_args
    job = job_of(parse(["run", "--name", "ko", "--int8", "--limit-bytes", "77"]))
    assert (job.precision, job.limits.bytes, job.limits.loss) == ("int8", 77, 0.005)
    assert job_of(parse(["run", "--name", "ko"])).precision == "fp32"
    with pytest.raises(ValueError, match="share"):
        job_of(parse(["run", "--name", "ko", "--prune", "1.5"]))
    assert main([str(tmp_path / "nothing"), "--name", "ko", "--work", str(tmp_path / "w"), "--int8"]) == 1
    assert "there is no such run" in capsys.readouterr().err


def test_a_recognizer_is_no_detector(job: Job, tmp_path: Path) -> None:
    wrong = dataclasses.replace(job, name="detector", work=tmp_path / "w", out=tmp_path / "o")
    with pytest.raises(ValueError, match="is no 'detector'"):
        Build(wrong, lambda line: None).run()
