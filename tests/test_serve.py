"""The server's routes, with the real models on a small picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

from serving import Client, png, sample, serving, text64
from test_serve_schemas import agrees

from edge_ocr import OCR, InputError
from edge_ocr.redact import mask_reading
from edge_ocr.scanners import mrz, plate
from edge_ocr.serve import Settings
from edge_ocr.serve.app import build
from edge_ocr.serve.service import scanners
from edge_ocr.types import Reading

PICTURE = sample()
CONTENT = png(PICTURE)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(Settings(time_limit=280, receive_limit=60)) as found:
        yield found


@pytest.fixture(scope="module")
def reading() -> Reading:
    return OCR(threads=1).read(PICTURE)


def test_a_picture_is_read_as_the_library_reads_it(client: Client, reading: Reading) -> None:
    answer = client.post("/v1/read", CONTENT)
    assert answer.status == 200
    data = answer.json()
    agrees("/v1/read", data)
    want = reading.to_dict()
    assert len(want["words"]) >= 4 and any("주차장" in w["text"] for w in want["words"])
    assert [w["text"] for w in data["words"]] == [w["text"] for w in want["words"]]
    assert [w["quad"] for w in data["words"]] == [w["quad"] for w in want["words"]]
    assert [x["text"] for x in data["lines"]] == [x["text"] for x in want["lines"]]
    for got, wanted in zip(data["words"], want["words"], strict=True):
        assert got["confidence"] == pytest.approx(wanted["confidence"], abs=0.01)
        assert "".join(c["text"] for c in got["characters"]) == got["text"]
    assert data["ms"]["total"] >= data["ms"]["detect"] > 0


def test_json_says_the_same_as_a_form(client: Client, reading: Reading) -> None:
    for text in (text64(CONTENT), "data:image/png;base64," + text64(CONTENT)):
        data = client.post_json("/v1/read?characters=false", {"image": text}).json()
        assert [w["text"] for w in data["words"]] == [w.text for w in reading.words]
        assert all("characters" not in w for w in data["words"])


def test_detection_alone(client: Client) -> None:
    data = client.post("/v1/detect", CONTENT).json()
    agrees("/v1/detect", data)
    want = [region.to_dict() for region in OCR(threads=1).detect(PICTURE)]
    assert data["regions"] == want and len(want) >= 4


def test_crops_are_read_in_their_order(client: Client, reading: Reading) -> None:
    quads = [np.array(w.quad) for w in reading.words]
    boxes = [(*q.min(0).astype(int), *np.ceil(q.max(0)).astype(int)) for q in quads]
    crops = [PICTURE[max(y0 - 2, 0) : y1 + 2, max(x0 - 2, 0) : x1 + 2] for x0, y0, x1, y1 in boxes]
    want = [w.text for w in OCR(threads=1).recognize(crops)]
    as_form = client.post("/v1/recognize", *map(png, crops)).json()
    agrees("/v1/recognize", as_form)
    assert [w["text"] for w in as_form["words"]] == want and len(set(want)) > 2
    as_json = client.post_json("/v1/recognize", {"images": [text64(png(c)) for c in reversed(crops)]}).json()
    assert [w["text"] for w in as_json["words"]] == want[::-1]


def test_a_pattern_restricts_what_is_read(client: Client) -> None:
    data = client.post("/v1/recognize?pattern=%5B0-9%5D%7B3%7D", CONTENT).json()  # [0-9]{3}
    agrees("/v1/recognize", data)
    assert re.fullmatch("[0-9]{3}", data["words"][0]["text"])
    assert data["words"][0]["plain"] != data["words"][0]["text"]
    wrong = client.post("/v1/recognize?pattern=(", CONTENT)
    assert (wrong.status, wrong.code) == (422, "bad_parameter")


def test_masking(client: Client, reading: Reading) -> None:
    data = client.post("/v1/read?mask=true", CONTENT).json()
    agrees("/v1/read", data)
    assert data["masks"] == []  # nothing there that is to be masked
    assert [w["text"] for w in data["words"]] == [w.text for w in mask_reading(reading).words]


@pytest.mark.parametrize("kind", scanners())
def test_scanners(client: Client, kind: str) -> None:
    answer = client.post(f"/v1/scan/{kind}", CONTENT)
    assert answer.status == 200
    data = answer.json()
    agrees(f"/v1/scan/{kind}", data)
    assert (data["width"], data["height"]) == (PICTURE.shape[1], PICTURE.shape[0])
    if kind in ("plate", "mrz"):
        scanner = plate.Scanner() if kind == "plate" else mrz.Scanner()
        assert data["plates" if kind == "plate" else "documents"] == [x.to_dict() for x in scanner.scan(PICTURE)]


def test_the_shape_of_kakao(client: Client, reading: Reading) -> None:
    data = client.post("/compat/kakao", CONTENT).json()
    agrees("/compat/kakao", data)
    assert [entry["recognition_words"] for entry in data["result"]] == [[w.text] for w in reading.words]
    for entry, word in zip(data["result"], reading.words, strict=True):
        assert np.abs(np.array(entry["boxes"]) - np.array(word.quad)).max() <= 0.5
    fault = client.post("/compat/kakao", b"none")
    assert fault.status == 422 and set(fault.json()) == {"code", "msg"}


def test_the_shape_of_clova(client: Client, reading: Reading) -> None:
    message = {"version": "V2", "requestId": "abc", "timestamp": 1, "images": [{"format": "png", "name": "board"}]}
    whole = {**message, "images": [{**message["images"][0], "data": text64(CONTENT)}]}  # type: ignore[index, dict-item]
    whole |= {"timestamp": 1767225600000.0, "lang": "ko", "resultType": "string", "enableTableDetection": False}
    by_json = client.post_json("/compat/clova", whole).json()
    agrees("/compat/clova", by_json)
    body = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in (("message", json.dumps(message).encode()), ("file", CONTENT))
    )
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    by_form = client.ask("POST", "/compat/clova/general", body + b"--b--\r\n", kind).json()
    for data in (by_json, by_form):
        assert (data["version"], data["requestId"], data["images"][0]["name"]) == ("V2", "abc", "board")
        fields = data["images"][0]["fields"]
        assert [f["inferText"] for f in fields] == [w.text for w in reading.words]
        broken = [f["lineBreak"] for f in fields]
        assert sum(broken) == len(reading.lines) and broken[-1]
        assert fields[0]["boundingPoly"]["vertices"][0]["x"] == pytest.approx(reading.words[0].quad[0][0], abs=0.01)


@pytest.mark.parametrize(("data", "status", "code"), [
    ({"version": "V1", "images": [{"data": ""}]}, 400, "0021"),
    ({"version": "V2", "images": []}, 422, "0011"),
    ({"version": "V2", "images": [{"url": "http://127.0.0.1/x.png"}]}, 422, "0011"),
    ({"version": "V2", "images": [{"data": "!"}]}, 422, "0011"),
    ({"version": "V2", "images": [{"data": ""}], "requestId": 7}, 422, "0011"),
    ({"version": "V2", "images": [{"data": text64(CONTENT)}], "requestId": "x" * 501}, 422, "0011"),
    ({"version": "V2", "images": [{"data": text64(CONTENT)}], "enableTableDetection": {}}, 422, "0011"),
    ({"version": "V2", "images": [{"data": text64(CONTENT)}], "timestamp": 0.5}, 422, "0011"),
    ({"version": "V2", "images": [{"data": text64(CONTENT)}], "timestamp": True}, 422, "0011"),
    ({"version": "V2", "images": [{"data": text64(CONTENT), "format": 1}]}, 422, "0011"),
])  # fmt: skip
def test_clova_says_what_is_wrong(client: Client, data: object, status: int, code: str) -> None:
    answer = client.post_json("/compat/clova", data)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert {"code", "message", "path", "traceId", "timestamp"} == set(answer.json())


def test_health_and_models(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    for path in ("/", "/healthz", "/readyz", "/metrics", "/v1/models", "/openapi.json"):
        asked, told = client.ask("HEAD", path), client.get(path)
        assert (asked.status, asked.body, told.status) == (200, b"", 200)
        assert asked.headers["content-type"] == told.headers["content-type"]
        assert asked.headers["x-content-type-options"] == "nosniff"
    assert client.get("/readyz").json() == {"status": "ready"}
    data = client.get("/v1/models").json()
    agrees("/v1/models", data, method="get")
    assert {"detector", "ko", "en"} <= {m["name"] for m in data["models"]}
    assert data["scanners"] == list(scanners()) and data["languages"] == ["ko", "en"]
    assert client.get("/nothing").code == "not_found"
    assert client.ask("PUT", "/v1/read", b"").code == "not_allowed"


def test_metrics_are_what_prometheus_reads(client: Client) -> None:
    before = client.metric('edge_ocr_requests_total{route="detect",status="200"}')
    client.post("/v1/detect", CONTENT)
    text = client.get("/metrics").body.decode()
    sample_line = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+-]+')
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample_line.fullmatch(line), line
    assert client.metric('edge_ocr_requests_total{route="detect",status="200"}') == before + 1
    name = 'edge_ocr_request_seconds_bucket{route="detect",le='
    counts = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)]
    assert counts == sorted(counts)
    assert counts[-1] == client.metric('edge_ocr_request_seconds_count{route="detect"}')
    assert client.metric("process_resident_memory_bytes") > 1e7
    assert client.metric("edge_ocr_in_flight") == 0 == client.metric("edge_ocr_bytes_held")


def test_the_other_engine_says_the_same(reading: Reading) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'edge-ocr[tflite]'")
    with serving(Settings(engine="tflite", time_limit=280, receive_limit=60)) as client:
        words = [w["text"] for w in client.post("/v1/read", CONTENT).json()["words"]]
        assert len(set(words) & {w.text for w in reading.words}) >= len(reading.words) - 1
        assert client.post("/v1/scan/mrz", CONTENT).json()["documents"] == []
    with pytest.raises(InputError, match="'onnx' or 'tflite'"):
        build(Settings(engine="abacus"))


def test_the_examples_are_what_is_answered(client: Client) -> None:
    document = client.get("/openapi.json").json()
    for path in ("/v1/read", "/v1/detect", "/v1/recognize", "/v1/scan/plate", "/compat/kakao"):
        operation = document["paths"][path]["post"]
        asked = operation["requestBody"]["content"]["application/json"]["example"]
        told = operation["responses"]["200"]["content"]["application/json"]["example"]
        agrees(path, told)
        got = client.post_json(path, asked).json()
        assert set(got) == set(told)
        # later models may read a little differently, never something else
        assert abs(len(json.dumps(got)) - len(json.dumps(told))) < 0.4 * len(json.dumps(told))
