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

# Bytes and regular expressions that fit a schema are seldom a picture or a pattern, and may be refused, as such alone.
_CONFIG = """
[checks]
max_response_time = 600.0
positive_data_acceptance.expected-statuses = ["2xx", "400", "413", "422", "503"]
"""


def main() -> int:
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    with tempfile.TemporaryDirectory() as folder:
        models = str(tiny.make_models(pathlib.Path(folder) / "models"))
        settings = pathlib.Path(folder) / "schemathesis.toml"
        settings.write_text(_CONFIG, encoding="utf-8")
        with serving(Settings(models_dir=models, time_limit=120, receive_limit=60)) as client:
            url = f"http://127.0.0.1:{client.port}/openapi.json"
            how = ["--phases", "examples,coverage,fuzzing", "--checks", "all", "--max-examples", sys.argv[1]]
            how += ["--request-timeout", "120", "--suppress-health-check", "too_slow"]
            return subprocess.run([str(program), "--config-file", str(settings), "run", url, *how]).returncode


if __name__ == "__main__":
    sys.exit(main())
