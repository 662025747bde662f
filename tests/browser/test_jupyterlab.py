"""JupyterLab as ``fedstats explore`` opens it: each notebook runs from its first cell to its last, and can be read."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

import fedstats as fs
from tests.browser import page_checks
from tests.notebooks.checkout import environment, in_process_sha256, kill_tree, make_checkout

pytestmark = [pytest.mark.browser, pytest.mark.run]

NOTEBOOKS = ("1_site", "2_coordinator", "3_report")
SITES = ("site-a", "site-b", "site-c")
#: Milliseconds for one step in the browser: a kernel started on a machine that is busy otherwise.
PATIENCE = 120_000

#: A notebook is done when each of its cells has been counted and its kernel rests.
DONE = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const code = panel.content.model.toJSON().cells.filter(cell => cell.cell_type === 'code');
    const failed = code.some(cell => cell.outputs.some(output => output.output_type === 'error'));
    return panel.sessionContext.session.kernel.status === 'idle' && (failed || code.every(cell => cell.execution_count));
}"""
RUN_ALL = """async () => {
    const app = window.jupyterapp, panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    await app.commands.execute('notebook:run-all-cells');
}"""
KERNEL = "() => Boolean(window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel)"
CELLS = """() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"""
#: Boxes of the open notebook whose content is wider than they are.
TOO_WIDE = """() => {
    const panel = window.jupyterapp.shell.currentWidget.node;
    const boxes = [document.documentElement, ...panel.querySelectorAll(
        '.jp-WindowedPanel-outer, .jp-Notebook, .jp-Cell, .jp-OutputArea-output, .jp-RenderedMarkdown, .cm-scroller')];
    // the values of parameters are as long as they are; an editor without text is still to be drawn
    const counts = e => !e.matches('.cm-scroller') || (e.innerText.trim() && !e.innerText.includes('study_file: str'));
    return boxes.filter(e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && counts(e))
        .map(e => `${e.className.slice(0, 60)} ${e.scrollWidth} > ${e.clientWidth}: ${e.innerText.slice(0, 60)}`);
}"""


@dataclass
class Seen:
    """A notebook after all its cells were run, and what the page asked for or complained about."""

    cells: list[Any]
    too_wide: list[str]
    popups: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def with_parameters(notebook, **values):
    """Set values in the notebook's parameters cell, as a person would in JupyterLab."""
    content = nbformat.read(notebook, as_version=4)
    (cell,) = (c for c in content.cells if "parameters" in c.metadata.get("tags", ()))
    lines = []
    for line in cell.source.splitlines():
        name = line.split(":")[0]
        head, comment = line.split(" = ")[0], line.partition("  # ")[2]
        lines.append(f"{head} = {values.pop(name)!r}  # {comment}" if name in values else line)
    assert values == {}
    cell.source = "\n".join(lines)
    nbformat.write(content, notebook)


def give_answers(exchange, study, sites):
    """Let the sites answer whatever is open."""
    for site in sites:
        questions = fs.open_questions(exchange, site, study=study.digest)
        fs.send(exchange, site, questions, site.answers(questions))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Notebooks with parameters that make sense: an exchange with open questions, one with answers, one with results."""
    folder = make_checkout(tmp_path_factory.mktemp("lab"))
    study = fs.Study.load(folder / "studies" / "lung")
    data = {name: folder / "path" / "to" / f"{name}.csv" for name in SITES}
    sites = [study.site(name, data[name], "teaching") for name in SITES]
    opened, answered = folder / "open", folder / "answered"
    with pytest.raises(fs.Waiting):
        fs.together(fs.Folder(opened, study=study), **study.analyses())
    while True:
        try:
            found = fs.together(fs.Folder(answered, study=study), **study.analyses())
            break
        except fs.Waiting:
            give_answers(answered, study, sites)
    fs.save_results(found, folder / "results.json", study=study.digest)
    common = {"study_file": "../studies/lung/study.toml"}
    notebooks = folder / "notebooks"
    with_parameters(
        notebooks / "1_site.ipynb",
        **common,
        site="site-a",
        data_file="../path/to/site-a.csv",
        exchange="../open",
        profile="teaching",
    )
    with_parameters(
        notebooks / "2_coordinator.ipynb", **common, exchange="../answered", results="../from-lab.json"
    )
    with_parameters(
        notebooks / "3_report.ipynb",
        **common,
        exchange="../answered",
        results="../results.json",
        pooled_data=[f"../path/to/{name}.csv" for name in SITES],
    )
    return SimpleNamespace(folder=folder, study=study, data=data, notebooks=notebooks)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def lab(checkout):
    """``fedstats explore`` in the checkout, with folders of its own; only the port and the token are chosen here."""
    port, token = free_port(), secrets.token_hex(16)
    options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--expose-app-in-browser"]
    options += [f"--IdentityProvider.token={token}"]
    if os.geteuid() == 0:
        options.append("--allow-root")
    log = checkout.folder / "lab.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "fedstats", "explore", *options],
            cwd=checkout.folder,
            env=environment(checkout.folder / "home"),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE / 1000
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < end, log.read_text()[-2000:]
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                break
            time.sleep(0.1)
        yield SimpleNamespace(address=address, token=token, log=log)
    finally:
        kill_tree(process.pid)
        process.wait()


@pytest.fixture(scope="module")
def browser():
    with page_checks.chromium() as program:
        yield program


@pytest.fixture(scope="module", params=NOTEBOOKS)
def seen(request, browser, lab, checkout):
    """Open a notebook, run all its cells, take a picture, shut its kernel down."""
    name = f"{request.param}.ipynb"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = Seen([], [])

    def only_the_lab(route: Any) -> None:
        if route.request.url.startswith((lab.address, "data:", "blob:")):
            route.continue_()
        else:
            found.requests.append(route.request.url)
            route.abort()

    context.route("**/*", only_the_lab)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("websocket", lambda socket: outside(socket.url, lab, found))
    try:
        page.goto(f"{lab.address}/lab/tree/{name}?token={lab.token}&reset")
        page.wait_for_selector(".jp-Notebook")
        page.wait_for_function(KERNEL)
        page.evaluate(RUN_ALL)
        page.wait_for_function(DONE)
        found.cells = page.evaluate(CELLS)
        found.popups = page.locator(".Toastify__toast, .jp-Dialog").all_inner_texts()
        found.too_wide = look_through(page, checkout.folder / f"{request.param}.png")
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    finally:
        context.close()
    return found


def outside(url, lab, found):
    if not url.startswith(lab.address.replace("http", "ws")):
        found.requests.append(url)


def look_through(page, picture):
    """Scroll from top to bottom, a picture of each screen; what is too wide anywhere on the way."""
    too_wide, number = [], 0
    outer = page.locator(".jp-WindowedPanel-outer").first
    outer.evaluate("e => e.scrollTo(0, 0)")
    while True:
        page.wait_for_timeout(300)
        too_wide += page.evaluate(TOO_WIDE)
        number += 1
        page.screenshot(path=picture.with_stem(f"{picture.stem}-{number}"))
        before = outer.evaluate("e => e.scrollTop")
        outer.evaluate("e => e.scrollBy(0, e.clientHeight - 60)")
        page.wait_for_timeout(100)
        if number == 40 or outer.evaluate("e => e.scrollTop") <= before:
            return list(dict.fromkeys(too_wide))


def outputs(seen):
    return [output for cell in seen.cells for output in cell.get("outputs", ())]


def test_every_cell_runs_in_jupyterlab(seen):
    code = [cell for cell in seen.cells if cell["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == list(range(1, len(code) + 1))
    assert [o for o in outputs(seen) if o["output_type"] == "error"] == []


def test_no_cell_grumbles_in_jupyterlab(seen):
    grumbles = [o["text"] for o in outputs(seen) if o["output_type"] == "stream" and o["name"] == "stderr"]
    assert grumbles == []


def test_jupyterlab_asks_nothing_of_the_network(seen):
    assert seen.requests == []
    assert seen.errors == []


def test_no_popup_covers_the_notebook_of_a_new_user(seen):
    assert seen.popups == []


def test_kernels_of_jupyterlab_do_not_talk_over_tcp(seen, lab):
    """ipykernel says so in the server's log when they do."""
    said = lab.log.read_text()
    assert "Kernel started" in said
    assert "TCP" not in said


def test_nothing_scrolls_sideways_in_jupyterlab(seen):
    assert [box for box in seen.too_wide if not box.startswith("cm-scroller")] == []


def test_no_line_of_code_is_cut_off_in_jupyterlab(seen):
    assert [box for box in seen.too_wide if box.startswith("cm-scroller")] == []


def test_what_was_run_in_jupyterlab_has_the_results_of_one_process(checkout, seen, tmp_path):
    """The coordinator's notebook, once run; the site's, in attended mode, has sent nothing."""
    results = checkout.folder / "from-lab.json"
    if results.exists():
        expected = in_process_sha256(checkout.study.file, checkout.data, tmp_path)
        assert (
            fs.save_results(fs.load_results(results), tmp_path / "again.json", study=checkout.study.digest)
            == expected
        )
    assert not list((checkout.folder / "open").glob("answers/**/*.json"))
