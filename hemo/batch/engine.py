"""The workflow engine: Snakemake, found where it is installed, told what to run, and never left running alone."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from hemo.batch.profile import Profile
from hemo.errors import EnvironmentMissing, InputError, Interrupted
from hemo.fem.launch import tied

Executor = Literal["local", "slurm"]
LOG = "logs/engine.log"
_PATIENCE = 60.0  # s that the engine may take to end in order
_POLL = 0.2  # s


@dataclass(frozen=True)
class EngineOptions:
    """How to run a graph; ``jobs`` at once: processors of this machine, or jobs in Slurm's queue."""

    executor: Executor = "local"
    jobs: int = 2
    retries: int = 2


def find_engine() -> str:
    """Snakemake's program.

    Raises
    ------
    EnvironmentMissing
        It is neither in hemo's environment nor on the PATH.
    """
    own = Path(os.environ.get("HEMO_ENGINE", "/nonexistent")) / "bin" / "snakemake"
    found = str(own) if own.is_file() else shutil.which("snakemake")
    if found is None:
        raise EnvironmentMissing(
            "the workflow engine Snakemake is not here; run `make setup`, or pip install 'snakemake>=9' "
            "snakemake-executor-plugin-slurm."
        )
    return found


def hemo_command() -> str:
    """How a job starts this hemo where the profile does not say: as this process was started, on a shared disk."""
    checkout = Path(__file__).resolve().parents[2]
    start = checkout / "env" / "exec"
    if os.environ.get("HEMO_ENV") and start.is_file():
        return shlex.join([str(start), "hemo"])
    return shlex.join([sys.executable, "-m", "hemo"])


def site(profile: Profile, executor: Executor) -> dict[str, Any]:
    """What the graph is told of the site."""
    slurm = profile.slurm
    asked = {
        "slurm_partition": slurm.partition,
        "slurm_account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "slurm_extra": slurm.extra,
    }
    return {
        "hemo": profile.site.command or hemo_command(),
        "setup": f"{profile.site.setup.rstrip('; ')}; " if profile.site.setup else "",
        "resources": {k: value for k, value in asked.items() if value is not None} if executor == "slurm" else {},
    }


def engine_command(folder: Path, options: EngineOptions, profile: Profile) -> list[str]:
    """Snakemake's command line."""
    snakefile = files("hemo.batch").joinpath("Snakefile")
    command = [find_engine(), "--snakefile", str(snakefile), "--directory", str(folder), "--nolock", "--keep-going"]
    command += ["--rerun-incomplete", "--rerun-triggers", "mtime", "--retries", str(options.retries)]
    command += ["--scheduler", "greedy", "--latency-wait", "30", "--nocolor", "--executor", options.executor]
    if options.executor == "local":
        return [*command, "--cores", str(options.jobs)]
    slurm = profile.slurm
    command += ["--jobs", str(options.jobs), "--local-cores", "1", "--slurm-jobname-prefix", job_prefix(folder)]
    command += ["--slurm-status-command", slurm.status_command, "--slurm-logdir", str(folder / "logs" / "slurm")]
    command += ["--slurm-init-seconds-before-status-checks", str(max(round(slurm.status_interval), 1))]
    return command if slurm.account else [*command, "--slurm-no-account"]


def run_engine(
    folder: Path, options: EngineOptions, profile: Profile, look: Callable[[], None], every: float = 2.0
) -> bool:
    """Run the graph of ``folder`` and wait; whether every job was done.

    ``look`` is called now and then. A signal to this process ends the engine and its jobs in order, and is raised on.
    """
    (folder / "logs").mkdir(exist_ok=True)
    with open(folder / LOG, "wb") as log:
        process = subprocess.Popen(
            [*tied("KILL"), *engine_command(folder, options, profile)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C reaches this process alone, which then asks in order
        )
        try:
            looked = time.monotonic()
            while process.poll() is None:
                time.sleep(_POLL)
                if time.monotonic() - looked > every:
                    look()
                    looked = time.monotonic()
        except BaseException:
            _end(process)
            raise
    return process.returncode == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the engine with its local jobs, which write their checkpoints; it cancels those in the queue."""
    for number, patience in ((signal.SIGINT, _PATIENCE), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def what_went_wrong(folder: Path) -> str:
    """The first complaint in the engine's log, where it has one of its own; empty otherwise."""
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"The error message was '(.+?)'|^(?:WorkflowError|\w*Exception).*:\n?(.+)$", text, re.M | re.S)
    return "" if found is None else " ".join((found[1] or found[2]).split())[:300]


def job_prefix(folder: Path) -> str:
    """What the names of a cohort's jobs in the queue begin with."""
    return f"hemo-{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]}"


def cancel_leftovers(folder: Path) -> int:
    """Cancel the jobs that a killed driver of this cohort has left in Slurm's queue; how many there were.

    Raises
    ------
    EnvironmentMissing
        Slurm's commands are not here.
    InputError
        Slurm does not answer.
    """
    for name in ("squeue", "scancel", "sbatch"):
        if shutil.which(name) is None:
            raise EnvironmentMissing(f"{name} is not on the PATH; start hemo on a host from which Slurm takes jobs.")
    jobs = queued(folder)
    for start in range(0, len(jobs), 500):
        _told(["scancel", *jobs[start : start + 500]])
    return len(jobs)


def queued(folder: Path) -> list[str]:
    """Numbers of the cohort's jobs that wait or run in Slurm's queue; raises InputError where Slurm does not answer."""
    lines = _told(["squeue", "--me", "--noheader", "--format", "%i %j"]).splitlines()
    words, prefix = [line.split() for line in lines], job_prefix(folder)
    return [word[0] for word in words if len(word) > 1 and word[1].startswith(prefix)]


class QueueWatch:
    """Ends an engine that waits for jobs which Slurm has forgotten, as after a controller lost its state."""

    def __init__(self, folder: Path, patience: float = 600.0, every: float = 60.0) -> None:
        self.folder, self.patience, self.every = folder, patience, every
        self.alive = self.looked = time.monotonic()

    def look(self) -> None:
        """Look now and then; raise Interrupted where the queue has long been without a job of the cohort."""
        now = time.monotonic()
        if now - self.looked < self.every:
            return
        self.looked = now
        try:
            if queued(self.folder):
                self.alive = now
        except InputError:
            self.alive = now  # Slurm is away: nothing is known
        if now - self.alive > self.patience:
            raise Interrupted("Slurm knows none of the cohort's jobs any more; the same command goes on.")


def _told(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:200]
        raise InputError(f"Slurm's {command[0]} does not answer ({said}); try again when the cluster does.")
    return done.stdout
