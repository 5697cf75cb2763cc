"""Starts a server with tiny models and lets schemathesis ask it everything that its OpenAPI document allows, and much
that it does not: ``make check-api``. Not a test of pytest's: it takes minutes, and packages of its own."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import tiny
from serving import serving

from edge_ocr.serve import Settings

# Bytes that fit the schema of a picture are seldom a picture, and are then refused, which these two take for a fault.
_LEFT_OUT = "positive_data_acceptance,missing_required_header"


def main() -> int:
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    with tempfile.TemporaryDirectory() as folder:
        models = str(tiny.make_models(pathlib.Path(folder)))
        with serving(Settings(models_dir=models, time_limit=120, receive_limit=60)) as client:
            url = f"http://127.0.0.1:{client.port}/openapi.json"
            how = ["--checks", "all", "--exclude-checks", _LEFT_OUT, "--max-examples", "30", "--request-timeout", "120"]
            return subprocess.run([str(program), "run", url, "--phases", "examples,coverage,fuzzing", *how]).returncode


if __name__ == "__main__":
    sys.exit(main())
