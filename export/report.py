"""What a build did, stage by stage: report.json for programs, report.html with bars for people."""

from __future__ import annotations

import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.stages import Build

__all__ = ["figures", "write_report"]

_WORDS = {"base": "trained", "fp32": "exported", "ship": "shipped"}


def figures(build: Build) -> dict[str, Any]:
    """Bytes, multiply-adds, CPU time and errors at each point, as far as the build came."""
    from export.stages import STAGES

    job, export, parity = build.job, build.record("export"), build.record("parity")
    points: dict[str, dict[str, Any]] = {}
    for kind in ("base", "fp32"):
        if kind in export:
            points[kind] = dict(export[kind])
    if size := build.record("quantise").get("bytes"):
        points["ship"] = {**points.get("fp32", {}), "bytes": size}
    for kind, point in points.items():
        if kind in parity.get("cpu_by_stage", {}):
            point["cpu"] = parity["cpu_by_stage"][kind]
        point["errors"] = parity.get("errors", {}).get(kind, {})
    return {
        "name": job.name,
        "run": str(job.run),
        "precision": job.precision,
        "prune": job.prune,
        "plan": {"estimator": job.plan.estimator, "keep_float": job.plan.keep_float},
        "points": {_WORDS[k]: v for k, v in points.items()},
        "loss": parity.get("loss", {}),
        "limits": parity.get("limits", {}),
        "difference": parity.get("difference"),
        "missed": parity.get("missed"),
        "registered": build.record("register").get("folder"),
        "stages": {s: {k: v for k, v in build.record(s).items() if k not in ("key", "files")} for s in STAGES},
    }


def write_report(build: Build) -> Path:
    """Writes WORK/report.json and WORK/report.html; returns the page's path."""
    found = figures(build)
    work = build.job.work
    text = json.dumps(found, indent=1, ensure_ascii=False, default=str)
    (work / "report.json").write_text(text + "\n", encoding="utf-8")
    page = work / "report.html"
    page.write_text(_page(found), encoding="utf-8")
    return page


def _page(found: dict[str, Any]) -> str:
    verdict = "not measured yet"
    if found["missed"] is not None:
        verdict = "missed: " + "; ".join(found["missed"]) if found["missed"] else "every figure within its limit"
    errors = sorted({k for p in found["points"].values() for k in p.get("errors", {})})
    head = ["", "bytes", "multiply-adds", "parameters", "CPU time", *errors]
    rows = []
    for name, p in found["points"].items():
        cells = [name, *(f"{p[k]:,}" if k in p else "" for k in ("bytes", "macs", "parameters"))]
        cells.append(f"{p['cpu']:.2f} ×" if "cpu" in p else "")
        cells += [f"{p['errors'][k]:.4f}" if k in p.get("errors", {}) else "" for k in errors]
        rows.append(cells)
    table = "\n".join(
        "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"
        for tag, cells in [("th", head), *(("td", r) for r in rows)]
    )
    rest = html.escape(json.dumps(found["stages"], indent=1, ensure_ascii=False, default=str))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(found["name"])}</title>
<style>body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ border-bottom: 1px solid #ccc; padding: .2em .8em; text-align: right }}
td:first-child {{ text-align: left }} pre {{ overflow: auto; background: #f4f4f4; padding: 1em }}</style>
<h1>{html.escape(found["name"])}</h1>
<p>From {html.escape(found["run"])}, {html.escape(found["precision"])}. {html.escape(verdict)}.
{html.escape("Registered in " + found["registered"] + "." if found["registered"] else "Not registered.")}</p>
<table>{table}</table>
{_bars(found["points"])}
<h2>Every stage</h2><pre>{rest}</pre></html>
"""


def _bars(points: dict[str, dict[str, Any]]) -> str:
    """Bars for bytes, multiply-adds, CPU time and the errors on drawn samples, as SVG; nothing without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return "<p>Install matplotlib for plots: pip install 'edge-ocr[train]'</p>"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    series: dict[str, dict[str, float]] = {"MB": {}, "million multiply-adds": {}, "CPU time": {}, "error, drawn": {}}
    for name, p in points.items():
        for key, label, scale in (("bytes", "MB", 1e6), ("macs", "million multiply-adds", 1e6), ("cpu", "CPU time", 1)):
            if key in p:
                series[label][name] = p[key] / scale
        drawn = [v for k, v in p.get("errors", {}).items() if k.endswith(" drawn")]
        if drawn:
            series["error, drawn"][name] = drawn[0]
    shown = {k: v for k, v in series.items() if v}
    if not shown:
        return ""
    figure, axes = pyplot.subplots(1, len(shown), figsize=(3 * len(shown), 2.8), squeeze=False)
    for axis, (label, values) in zip(axes[0], shown.items(), strict=True):
        bars = axis.bar(list(values), list(values.values()), color="#4477aa", width=0.6)
        axis.bar_label(bars, fmt="%.3g", fontsize=8)
        axis.set_title(label, fontsize=10)
        axis.tick_params(labelsize=8)
        axis.margins(y=0.15)
    figure.tight_layout()
    out = io.StringIO()
    figure.savefig(out, format="svg")
    pyplot.close(figure)
    return out.getvalue()[out.getvalue().index("<svg") :]
