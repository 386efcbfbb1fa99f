"""A real Slurm on this host, in a folder of its own: munge, a controller and a node, as long as a test wants them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")

_CONFIGURATION = """
ClusterName=hemo
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={nodeport}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
KillWait=5
MinJobAge=36000
SlurmdTimeout=20
SlurmdParameters=config_overrides
InactiveLimit=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory=64000 State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
PartitionName=long Nodes=ALL MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no cluster can be started here; empty if one can."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"no Slurm here ({', '.join(missing)} missing)"
    return "" if os.geteuid() == 0 else "slurmd wants to be root"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Cluster:
    """The daemons, as children of this process; ``environment`` is what Slurm's commands need."""

    def __init__(self, folder: Path, processors: int = 2) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for name in ("state", "spool.node1"):
            (folder / name).mkdir(exist_ok=True)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        text = _CONFIGURATION.format(
            host=socket.gethostname(), folder=folder, processors=processors, user="root",
            port=_free_port(), nodeport=_free_port(),
        )  # fmt: skip
        (folder / "slurm.conf").write_text(text)
        # The engine's job step forgets SLURM_CONF, which a cluster whose settings lie in /etc/slurm has no need of.
        srun = folder / "bin" / "srun"
        srun.parent.mkdir(exist_ok=True)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{srun.parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
        }

    def __enter__(self) -> Cluster:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start whatever is not running and wait until jobs can be."""
        self.start_daemon("munged")
        self.start_daemon("slurmctld")
        self.start_daemon("slurmd")
        self.wait_for_node()

    def start_daemon(self, name: str) -> None:
        """Start one of them, in the foreground of a session of its own."""
        running = self.daemons.get(name)
        if running is not None and running.poll() is None:
            return
        socket_file = self.folder / "munge.socket"
        munge = ["munged", "--foreground", "--force", "--key-file", self.folder / "munge.key", "--socket", socket_file]
        munge += ["--pid-file", self.folder / "munge.pid", "--log-file", self.folder / "munge.log"]
        munge += ["--seed-file", self.folder / "munge.seed"]
        commands = {"munged": munge, "slurmctld": ["slurmctld", "-D"], "slurmd": ["slurmd", "-D", "-N", "node1"]}
        with open(self.folder / f"{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                commands[name], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        if name == "munged":
            self._wait(socket_file.exists, "munge", 20.0)

    def wait_for_node(self, seconds: float = 60.0) -> None:
        """Wait until the node takes jobs; one that is down is told to come back."""

        def idle() -> bool:
            done = self.run("sinfo", "--noheader", "--format", "%T")
            states = set(done.stdout.split())
            if any(state.startswith(("down", "drain")) for state in states):
                self.run("scontrol", "update", "NodeName=node1", "State=RESUME")
            return bool(states) and states <= {"idle", "mixed", "allocated", "completing"}

        self._wait(idle, "the node", seconds)

    def _wait(self, ready: object, what: str, seconds: float) -> None:
        assert callable(ready)
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.log"))
                raise RuntimeError(f"{what} did not come up in {seconds:.0f} s\n{logs}")
            time.sleep(0.2)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """One of Slurm's commands."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )  # fmt: skip

    def jobs(self) -> list[tuple[str, str]]:
        """Number and state of each job in the queue."""
        lines = self.run("squeue", "--noheader", "--format", "%i %T").stdout.splitlines()
        return [(words[0], words[1]) for words in map(str.split, lines) if len(words) == 2]

    def kill(self, name: str) -> None:
        """Kill one daemon outright; jobs that run on a node go on."""
        daemon = self.daemons.pop(name, None)
        if daemon is not None and daemon.poll() is None:
            if name == "slurmctld":  # with the process that runs its scripts
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.kill()
            daemon.wait()

    def kill_everything(self) -> None:
        """As if the machines had lost power: daemons and jobs."""
        for name in list(self.daemons):
            self.kill(name)
        for process in self.steps():
            kill_tree(process)

    def steps(self) -> list[int]:
        """The managers of running jobs."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                name = (entry / "comm").read_text().strip()
                mine = str(self.folder).encode() in (entry / "environ").read_bytes()
            except OSError:
                continue
            if mine and name.startswith(("slurmstepd", "slurm_script")):
                found.append(int(entry.name))
        return found

    def stop(self) -> None:
        """End every job and every daemon."""
        if "slurmctld" in self.daemons:
            for number, _ in self.jobs():
                self.run("scancel", "--signal=KILL", "--full", number)
        self.kill_everything()
        for name in ("munge.socket", "munge.socket.lock"):
            (self.folder / name).unlink(missing_ok=True)


def descendants(process: int) -> list[int]:
    """The processes below one, the nearest first."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def kill_tree(process: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process and all below it."""
    for one in [process, *descendants(process)]:
        try:
            os.kill(one, number)
        except ProcessLookupError:
            continue
