#!/usr/bin/env python3
"""Start here. Makes the environment once, then runs the study, the tests or any fedstats command.

  python3 study.py run [...]       run the study: every site, the coordinator, the reports
  python3 study.py test [...]      run the tests (arguments go to pytest)
  python3 study.py explore [...]   open the notebooks in JupyterLab
  python3 study.py env             only make the environment
  python3 study.py <command> ...   any other command of fedstats; add --help to see its options

The environment is the folder .venv beside this file; deleting it is always safe.
Exit status: that of the command; 64 unsuitable Python or system, 69 no environment, 130 interrupted.
"""
# Only the standard library, and only syntax that old Pythons can read: they must get as far as the
# sentence that says which Python is needed. What is installed is named, with its hashes, in
# requirements/lock.txt; where it comes from is for pip's or uv's own settings to say.
# ruff: noqa: S603, S606, T201  (to start programs and to print is this file's work)

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which main() turns away in words
    fcntl = None

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements" / "lock.txt"
PROJECT = ROOT / "pyproject.toml"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "fedstats-stamp.json"  # written last: no stamp, no finished environment
LOG = VENV / "install.log"
GATE = ROOT / ".venv.lock"

OLDEST, NEWEST = (3, 11), (3, 14)
SCHEMA = 1  # raise it when this file makes environments in another way
ROOM = 2 * 1024**3  # bytes: an environment takes about 1.3 GB, and wheels are unpacked beside it
USAGE, UNAVAILABLE, INTERRUPTED = 64, 69, 130
# Tests run on all processors; those of one file stay together, for they share what is slow to make.
SIDE_BY_SIDE = ("-n", "logical", "--maxprocesses", "8", "--dist", "loadfile")

WINDOWS = """fedstats runs on Linux and macOS. On Windows use WSL: type 'wsl --install' in PowerShell, open the
Ubuntu it brings, and run the same command there."""
UNSUITABLE = """fedstats needs Python 3.11 to 3.14; this is {version}, and no other was found. Install one
(Ubuntu, Debian: 'sudo apt install python3 python3-venv'; Fedora: 'sudo dnf install python3.13'; macOS:
'brew install python@3.13'; with uv: 'uv python install 3.13') and start it by its name, for example:
python3.13 study.py run"""
FULL = """The disk is full, or nearly: the environment needs 2 GB where this folder is, and some room in the
folder for temporary files (TMPDIR names another one). Make room and start again."""
READ_ONLY = """This folder cannot be written to (or programs may not be started in it), and the environment is
made in it. Copy the project to a folder of your own and start again there."""
HASHES = """A downloaded package is not the one that requirements/lock.txt names by its hash, so the installation
was stopped. Try once more with an empty cache ('pip cache purge', 'uv cache clean'). If it happens again, do
not work around it, but tell whoever looks after your package mirror."""
NO_VENV = """This Python cannot make virtual environments: its 'venv' part is not installed. Ubuntu, Debian:
'sudo apt install python3-venv'. Then start again."""
CERTIFICATE = """The package index was reached, but its certificate is not trusted here. Networks that inspect
their traffic have a certificate of their own: ask for that file and name it in PIP_CERT (for uv: SSL_CERT_FILE)."""
NETWORK = """The package index cannot be reached, or lets nobody in. The first start needs the network (later
ones do not): check the connection, the proxy (HTTPS_PROXY) and, if your institution has a mirror, pip's own
settings ('pip config list'). Then start again."""
NO_PACKAGE = """The package index has no ready-made package for this Python and machine. Linux and macOS on
Intel/AMD and ARM are served, with Python 3.11 to 3.14; a mirror may also lack a recent version."""
UNKNOWN = "The environment could not be made, for a reason this script does not know."

UNREACHABLE = (
    "name resolution|name or service not known|nodename nor servname|getaddrinfo failed|dns error"
    "|newconnectionerror|connection refused|connection reset|remotedisconnected|no route to host"
    "|network is unreachable|timed out|timeouterror|proxyerror|connect to proxy|tunnel connection failed"
    "|tcp connect error|error sending request|connectivity is disabled|sslerror|forbidden|unauthorized"
)
# What an installer or the system says, in lower case, and what it means; the first match wins.
CAUSES = (
    ("do not match the hashes|hash mismatch|hashes are required", HASHES),
    ("no space left on device|os error 28|disk quota exceeded", FULL),
    ("ensurepip is not|no module named '?(venv|ensurepip)", NO_VENV),
    ("read-only file system|permission denied", READ_ONLY),
    ("certificate.verify.failed|invalid peer certificate|unknownissuer", CERTIFICATE),
    (UNREACHABLE, NETWORK),
    ("no matching distribution|no solution found|no wheels with a matching|failed to build", NO_PACKAGE),
)


class Stop(Exception):  # noqa: N818  (not always an error)
    """The reason to stop, in words for a person, and the exit status."""

    def __init__(self, words: str, status: int = UNAVAILABLE):
        """Keep the words and the status."""
        super().__init__(words)
        self.words, self.status = words, status


def say(words: str) -> None:
    """Tell the person something; standard output belongs to the command that follows."""
    print(words, file=sys.stderr, flush=True)


# --- which Python ---------------------------------------------------------------------------------


def suitable(version: tuple) -> bool:
    """Whether fedstats runs on this version of Python."""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def another_python() -> str:
    """Find a suitable Python on PATH, or return ''. Each is tried, since some are empty shims."""
    for name in ("python3.13", "python3.12", "python3.11", "python3.14", "python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError, ValueError):
            probe = "import sys; print(*sys.version_info[:2], sys.executable)"
            answer = subprocess.check_output([name, "-c", probe], stderr=subprocess.DEVNULL)
            major, minor, path = answer.decode().strip().split(" ", 2)
            if suitable((int(major), int(minor))):
                return path
    return ""


def hand_over(arguments: list) -> None:
    """Start this file again with a Python that suits; the present one is too old or too new."""
    version = "{}.{}.{}".format(*sys.version_info[:3])
    other = another_python()
    if not other:
        raise Stop(UNSUITABLE.format(version=version), USAGE)
    say(f"fedstats needs Python 3.11 to 3.14; this is {version}, so {other} is used instead.")
    os.execv(other, [other, str(Path(__file__).resolve()), *arguments])


# --- is the environment ready? --------------------------------------------------------------------


def wanted() -> dict:
    """What a finished environment here must have been made from."""
    return {
        "schema": SCHEMA,
        "python": "{}.{}".format(*sys.version_info[:2]),
        "folder": str(ROOT),  # a moved environment still points to its old folder
        "lock": hashlib.sha256(LOCK.read_bytes()).hexdigest(),
        "project": hashlib.sha256(PROJECT.read_bytes()).hexdigest(),
    }


def found() -> dict:
    """What the environment was made from; empty when there is none, or an unfinished one."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        if PYTHON.exists():
            return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    return {}


def ensure_environment() -> None:
    """Make the environment unless it is there; one start at a time."""
    try:
        if found() == wanted():
            return
        with one_at_a_time():
            if found() != wanted():  # the start we waited for may have made it
                make_environment()
    except OSError as error:
        raise Stop(explain(str(error)) + f"\n\n  {error}") from error


@contextlib.contextmanager
def one_at_a_time() -> Iterator:
    """Hold a lock that the system gives back even if we, and an installer left behind, are killed."""
    with GATE.open("w", encoding="utf-8") as gate:
        os.set_inheritable(gate.fileno(), True)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is making the environment; waiting for it ...")
            fcntl.flock(gate, fcntl.LOCK_EX)
        except OSError:
            pass  # some network folders have no locks: go on without
        yield


# --- making it ------------------------------------------------------------------------------------


def make_environment() -> None:
    """Make or repair .venv, and stamp it at the end."""
    began, new, old, uv = time.monotonic(), wanted(), found(), usable_uv()
    only_project = bool(old) and {**old, "project": ""} == {**new, "project": ""}
    with contextlib.suppress(FileNotFoundError):
        STAMP.unlink()
    if not (only_project and project_alone(uv)):
        if shutil.disk_usage(str(VENV if VENV.exists() else ROOT)).free < ROOM:
            raise Stop(FULL)
        install_everything(uv)
    STAMP.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    say(f"The environment is ready ({time.monotonic() - began:.0f} s).")


def project_alone(uv: str) -> bool:
    """Try the short way, when nothing but pyproject.toml has changed since the environment was made."""
    say("pyproject.toml has changed: bringing the environment up to date ...")
    with contextlib.suppress(Stop):
        install_project(uv)
        return True
    return False


def usable_uv() -> str:
    """Return the path of uv, or '' without one, or when only pip has been told which index to use."""
    uv = shutil.which("uv")
    places = (Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"), Path("/etc"))
    own = any(name.startswith(("UV_INDEX", "UV_DEFAULT_INDEX", "UV_CONFIG_FILE")) for name in os.environ)
    if not uv or own or any((place / "uv" / "uv.toml").exists() for place in places):
        return uv or ""
    command = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    keys = {line.split("=")[0].split(".")[-1] for line in settings.decode(errors="replace").splitlines()}
    return "" if keys & {"index-url", "no-index"} else uv


def install_everything(uv: str) -> None:
    """Fill an empty .venv from the lock: with uv if there is one, with pip otherwise or if uv fails."""
    empty(VENV)
    if uv:
        say("Making the environment in .venv with uv (about a minute, once) ...")
        try:
            call([uv, "venv", "--allow-existing", "--python", base_python(), str(VENV)])
            call([*installer(uv), "--require-hashes", "--no-deps", "-r", str(LOCK)])
            install_project(uv)
        except Stop as stop:
            if stop.words.startswith((FULL, HASHES)):
                raise
            say("uv did not succeed here; trying again with pip ...")
            empty(VENV)
        else:
            return
    say("Making the environment in .venv with pip (two or three minutes, once) ...")
    call([base_python(), "-m", "venv", str(VENV)])
    call([*installer(""), "--require-hashes", "--no-deps", "-r", str(LOCK)])
    install_project("")


def install_project(uv: str) -> None:
    """Install this folder itself, editable; its build tools come from the lock as well."""
    call([*installer(uv), "--no-deps", "--no-build-isolation", "-e", "."])


def installer(uv: str) -> list:
    """Return the beginning of an install command, for uv or for pip."""
    if uv:
        return [uv, "pip", "install", "--python", str(PYTHON)]
    return [str(PYTHON), "-m", "pip", "install", "--no-input"]


def base_python() -> str:
    """Return the Python under this one: we may be running in the very .venv that is to be remade."""
    return getattr(sys, "_base_executable", None) or sys.executable


def empty(folder: Path) -> None:
    """Make a folder, or empty it; the folder itself stays, it may be a link to a larger disk."""
    folder.mkdir(exist_ok=True)
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(str(child))
        else:
            child.unlink()


def call(command: list) -> None:
    """Run one step of the installation with its words in the log; raise Stop with the cause."""
    environment = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with LOG.open("a+", encoding="utf-8", errors="replace") as log:
        log.write("$ " + " ".join(command) + "\n")
        log.flush()
        start = log.tell()
        done = subprocess.run(
            command,
            cwd=str(ROOT),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            close_fds=False,  # the installer holds the lock as well: see one_at_a_time
            check=False,
        )
        if done.returncode:
            log.seek(start)
            words = log.read()
            quoted = "".join(f"\n  {line}" for line in telling_lines(words))
            raise Stop(f"{explain(words)}\n{quoted}\n\nThe whole story is in .venv/install.log.")


def explain(words: str) -> str:
    """Return what an installer's or the system's words mean."""
    for signs, meaning in CAUSES:
        if re.search(signs, words.lower()):
            return meaning
    return FULL if shutil.disk_usage(str(ROOT)).free < ROOM // 100 else UNKNOWN  # venv does not say why


def telling_lines(words: str) -> list:
    """Return the few last lines that name an error, or just the last ones; of repeated ones the last."""
    lines = [line.rstrip()[:400] for line in words.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if re.search(r"error|fail|cause|broken by|expected|got  |==\S+ from ", line.lower())
    ]
    return list({line[:30]: line for line in telling or lines}.values())[-5:]


# --- what to start --------------------------------------------------------------------------------


def start(arguments: list) -> None:
    """Become the command; its exit status and Ctrl-C are then its own."""
    if arguments[0] == "test":
        os.chdir(str(ROOT))  # pytest finds its settings and the tests from here
        command = ["-m", "pytest", *SIDE_BY_SIDE, *arguments[1:]]
    else:
        command = ["-m", "fedstats", *arguments]
    os.execv(str(PYTHON), [str(PYTHON), *command])


def main(arguments: list) -> int:
    """Do what was asked; return an exit status, if we return at all."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    if os.name == "nt":
        say(WINDOWS)
        return USAGE
    try:
        if not suitable(sys.version_info):
            hand_over(arguments)
        ensure_environment()
        if arguments[0] != "env":
            start(arguments)
    except Stop as stop:
        say(stop.words)
        return stop.status
    except KeyboardInterrupt:
        say("\nStopped. The next start makes the environment anew.")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
