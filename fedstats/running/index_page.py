"""``index.html`` of a run: one page that opens offline, without script, and says how it went."""

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fedstats.contract.labels import visible
from fedstats.running.files import write_text
from fedstats.running.progress import duration

STYLE = """
:root{color-scheme:light dark;--ink:#1d2125;--paper:#fff;--line:#c9ced4;--link:#0a4f9e;--good:#1a6334;--bad:#a3170b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#15181b;--line:#454c54;--link:#8cc1ff;--good:#7fd99a;--bad:#ff9d94}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:62rem;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.15rem;margin:1.75rem 0 .5rem}
a{color:var(--link)}a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%}caption{text-align:left;padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
tbody th{width:50%;overflow-wrap:anywhere}
thead th{font-weight:600}tbody th{font-weight:600}
.time{text-align:right;white-space:nowrap}.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.why{font-weight:400;display:block}code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
.report{font-size:1.1rem}
@media(max-width:32rem){body{padding:.75rem;font-size:.95rem}dl{display:block}dd{margin:0 0 .4rem}}
@media print{body{max-width:none}}
"""

_WORDS = {
    "ok": ("finished", "good"),
    "running": ("running", ""),
    "waiting": ("not run yet", ""),
    "failed": ("failed", "bad"),
    "killed": ("killed", "bad"),
    "timeout": ("over its time limit", "bad"),
    "stopped": ("stopped, since what it needs failed", ""),
    "interrupted": ("interrupted", "bad"),
    "differs": ("finished, and differs from the pooled rows", "bad"),
}
#: Ends that are a cause, and the error of those who only miss somebody else.
_FAILED, _MISSED = ("failed", "killed", "timeout"), "SiteMissing"


def write_index(folder: Path, manifest: Mapping[str, Any], resume: str) -> Path:
    """Write ``index.html`` into a run's folder.

    Parameters
    ----------
    folder : Path
        The run's folder; only files that are there are linked.
    manifest : mapping
        The content of ``manifest.json``.
    resume : str
        The command that goes on with the run.

    Returns
    -------
    Path
        The page.
    """
    path = folder / "index.html"
    write_text(path, index_page(folder, manifest, resume))
    return path


def index_page(folder: Path, manifest: Mapping[str, Any], resume: str) -> str:
    """The page as text; everything that comes from outside is escaped."""
    title = f"Run {manifest['run']}: {manifest['study']['title']}"
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{digest}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{_safe(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{_safe(manifest["study"]["title"])}</h1>
{_summary(manifest)}
{_reports(folder, manifest)}
<h2>Notebooks</h2>
{_table(folder, manifest)}
{_resume(manifest, resume)}
<h2>Where this comes from</h2>
{_provenance(manifest)}
</main>
</body>
</html>
"""


def _safe(text: str) -> str:
    return html.escape(visible(text))


def _summary(manifest: Mapping[str, Any]) -> str:
    steps = list(manifest["steps"].values())
    finished = sum(step["status"] == "ok" for step in steps)
    words, kind = _WORDS.get(manifest["status"], (manifest["status"], ""))
    text = (
        f'<p>Run <code>{_safe(manifest["run"])}</code>: <span class="{kind}">{_safe(words)}</span>, '
        f"{finished} of {len(steps)} notebooks finished."
    )
    if manifest["status"] == "running":
        text += " Reload this page for the latest state."
    if manifest["status"] == "differs":
        listed = "".join(f"<li>{_safe(name)}</li>" for name in manifest["differing"])
        text += f" These analyses differ by more than the tolerance:</p><ul>{listed}</ul><p>The report has the numbers, at its end."
    return f"{text}</p>"


def _reports(folder: Path, manifest: Mapping[str, Any]) -> str:
    items = [
        f'<li class="report">{_link(path, label)}</li>'
        for path, label in _report_links(manifest)
        if (folder / path).is_file()
    ]
    return f"<h2>Reports</h2>\n<ul>{''.join(items)}</ul>" if items else ""


def _report_links(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for path in manifest["reports"]:
        site = path.split("/")[1] if path.startswith("sites/") else ""
        yield path, f"Site {site}, stays at the site" if site else "The report of the study"


def _table(folder: Path, manifest: Mapping[str, Any]) -> str:
    steps = manifest["steps"]
    causes = {
        name for name, step in steps.items() if step["status"] in _FAILED and step.get("error") != _MISSED
    }
    rows = "\n".join(
        _row(folder, name, step, _MISSED if causes and step.get("error") == _MISSED else "")
        for name, step in steps.items()
    )
    return f"""<table>
<thead><tr><th scope="col">Notebook</th><th scope="col">Status</th><th scope="col" class="time">Time</th>
<th scope="col">Files</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


def _row(folder: Path, name: str, step: Mapping[str, Any], missed: str) -> str:
    # who only missed a notebook that failed has stopped with it, and is no cause
    status = "stopped" if missed and step["status"] == "failed" else step["status"]
    words, kind = _WORDS.get(status, (status, ""))
    why = ""
    if step["status"] not in {"ok", "running", "waiting"}:
        cell = f"Cell {step['cell']}" if step.get("cell") else "Before the first cell"
        heading = f" “{step['heading']}”" if step.get("heading") else ""
        what = ": ".join(filter(None, (step.get("error"), step.get("message"))))
        why = f'<span class="why">{_safe(f"{cell}{heading}. {what}")}</span>'
    time = duration(step["seconds"]) if "seconds" in step else ""
    label = step.get("label") or name
    links = "<br>".join(
        _link(path, text, f"{text} of {label}")
        for path, text in _files(name, step)
        if _has_something(folder / path)
    )
    return (
        f'<tr><th scope="row">{_safe(label)}{why}</th>'
        f'<td class="{kind}">{_safe(words)}</td><td class="time">{time}</td><td>{links}</td></tr>'
    )


def _has_something(path: Path) -> bool:
    """Whether a link to the file would show anything: most logs are empty."""
    return path.is_file() and path.stat().st_size > 0


def _files(name: str, step: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    notebook = step.get("file", "")
    yield notebook, "notebook"
    yield notebook.removesuffix(".ipynb") + ".failed.ipynb", "failed notebook"
    if step["status"] != "ok":  # a good one's log holds at most a kernel's farewell
        yield f"logs/{name}.log", "log"


def _resume(manifest: Mapping[str, Any], resume: str) -> str:
    if manifest["status"] in {"ok", "running", "differs"}:
        return ""
    return (
        f"<h2>Going on</h2>\n<p>Once the cause is gone, this redoes only what is missing:</p>\n"
        f"<p><code>{_safe(resume)}</code></p>"
    )


def _provenance(manifest: Mapping[str, Any]) -> str:
    made = manifest["made_from"]
    git = made["git"] or {}
    commit = (git.get("commit") or "none") + (" with changes" if git.get("dirty") else "") if git else ""
    facts = {
        "Study": manifest["study"]["id"],
        "Sites": ", ".join(manifest["study"]["sites"]),
        "Started": manifest["started"],
        "Resumed": ", ".join(manifest["resumed"]),
        "Ended": manifest["ended"],
        "fedstats": made["fedstats"],
        "Code (sha256)": made["code_sha256"],
        "Commit": commit,
        "Lock (sha256)": made["lock_sha256"],
        "Python": f"{made['python']}, {made['platform']}",
        "Packages": ", ".join(f"{name} {version}" for name, version in made["packages"].items()),
    } | {f"{name} (sha256)": digest for name, digest in manifest["study"]["files"].items()}
    rows = "".join(
        f"<dt>{_safe(key)}</dt><dd>{_safe(str(value))}</dd>" for key, value in facts.items() if value
    )
    return f"<dl>{rows}</dl>"


def _link(path: str, text: str, spoken: str = "") -> str:
    # A list of links read aloud needs more than five times "notebook".
    label = f' aria-label="{_safe(spoken)}"' if spoken else ""
    return f'<a href="{_safe(quote(path))}"{label}>{_safe(text)}</a>'
