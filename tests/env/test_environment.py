"""The environment that the tests run in, and env/exec, which starts it."""

from __future__ import annotations

import importlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
EXEC = CHECKOUT / "env" / "exec"
IN_ROOT = "/venv-" in os.environ.get("HEMO_VENV", "")

pytestmark = pytest.mark.skipif(
    "HEMO_ENV" not in os.environ, reason="not started by env/exec, but in an environment of the user's own"
)


def pins(name: str) -> dict[str, str]:
    """Return the versions that a list of env/ pins."""
    lines = (CHECKOUT / "env" / name).read_text(encoding="utf-8").splitlines()
    pairs = (re.match(r"([\w.-]+)==(\S+)", line) for line in lines)
    return {pair[1]: pair[2] for pair in pairs if pair}


def python(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, so that what it loads is not in the tests' process."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options
    )


# What is installed.


@pytest.mark.parametrize(("name", "pin"), sorted(pins("requirements.txt").items()))
def test_every_pinned_package_is_there(name: str, pin: str) -> None:
    assert version(name) == pin


@pytest.mark.skipif(not IN_ROOT, reason="another base may not suit the engine")
def test_the_engine_has_its_pins_and_stands_apart() -> None:
    engine = Path(os.environ["HEMO_ENGINE"])
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run([engine / "bin" / "python3", "-c", code], capture_output=True, text=True, env=clean)
    installed = {line.split("==")[0].lower(): line.split("==")[1] for line in run.stdout.splitlines()}
    wanted = {name.lower(): pin for name, pin in pins("engine.txt").items()}
    assert {name: installed.get(name) for name in wanted} == wanted
    assert set(installed) - set(wanted) <= {"pip"}


@pytest.mark.skipif(not IN_ROOT, reason="another base than Debian 13 has its own versions")
@pytest.mark.parametrize("name", ["numpy", "scipy", "mpi4py", "petsc4py"])
def test_the_base_packages_are_debians(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__version__ == pins("constraints.txt")[name]
    assert str(module.__file__).startswith("/usr/lib/")


def test_a_package_of_the_base_in_the_virtual_environment_is_found(tmp_path: Path) -> None:
    """What env/setup calls after pip says so, in a sentence, when pip has brought its own numpy."""
    site = tmp_path / "lib"
    (site / "numpy").mkdir(parents=True)
    (site / "numpy" / "__init__.py").write_text("__version__ = '9.9'\n", encoding="utf-8")
    script = CHECKOUT / "env" / "check_base.py"
    code = (
        f"import sys; sys.prefix = {str(tmp_path)!r}; sys.path[:0] = [{str(site)!r}, {str(script.parent)!r}]\n"
        "import pathlib, check_base\n"
        "sys.modules['dolfinx'] = sys\n"
        f"print(*check_base.faults(pathlib.Path({str(CHECKOUT / 'env' / 'constraints.txt')!r}), ['numpy']))"
    )
    run = python(code)
    assert "pip has put its own numpy 9.9 before the base's" in run.stdout, run.stderr


def test_dolfinx_is_new_enough_and_real() -> None:
    code = "import dolfinx, numpy; print(dolfinx.__version__, numpy.dtype(dolfinx.default_scalar_type).name)"
    number, scalar = python(code).stdout.split()
    assert tuple(int(part) for part in number.split(".")[:2]) >= (0, 9)
    assert scalar == "float64"


# BLAS: with the reference BLAS MUMPS takes eight times as long.


def test_blas_is_openblas() -> None:
    code = (
        "import numpy, scipy.linalg\nfrom petsc4py import PETSc\n"
        "numpy.ones((2, 2)) @ numpy.ones((2, 2)); PETSc.Vec().createSeq(2).norm()\n"
        "print(open('/proc/self/maps').read())"
    )
    run = python(code)
    libraries = set(re.findall(r"/\S*(?:blas|lapack)\S*", run.stdout))
    assert any("openblas" in library for library in libraries), (libraries, run.stderr)
    reference = {name for name in libraries if re.search(r"/(?:blas|lapack)/lib(?:blas|lapack)\.so", name)}
    assert not reference


def test_blas_has_one_thread() -> None:
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "1"


# MPI.


@pytest.mark.skipif(not shutil.which("mpirun"), reason="no mpirun here: the cluster starts the ranks")
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_mpirun(ranks: int) -> None:
    """More ranks than cores are not refused, and nothing but the answer is printed (no transport warning)."""
    code = "from mpi4py import MPI; c = MPI.COMM_WORLD; s = c.allreduce(c.rank + 1); c.rank or print(c.size, s)"
    run = subprocess.run(
        ["mpirun", "-n", str(ranks), sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [str(ranks), str(ranks * (ranks + 1) // 2)]
    assert run.stderr == ""


@pytest.mark.skipif(not IN_ROOT, reason="another base may keep them elsewhere")
def test_mpi_leaves_no_session_folder_in_tmp() -> None:
    before = set(Path("/tmp").glob("prte.*"))
    subprocess.run(["mpirun", "-n", "2", "true"], check=True, timeout=60)
    assert set(Path("/tmp").glob("prte.*")) <= before


# gmsh carries an old PETSc and so runs in a process that never imports MPI.


def test_gmsh_meshes_in_a_child_process() -> None:
    code = (
        "import gmsh, sys\n"
        "gmsh.initialize(interruptible=False); gmsh.option.setNumber('General.Terminal', 0)\n"
        "gmsh.model.occ.addBox(0, 0, 0, 1, 1, 1); gmsh.model.occ.synchronize()\n"
        "gmsh.model.mesh.generate(3)\n"
        "gmsh.model.mesh.setOrder(2); gmsh.model.mesh.optimize('HighOrder')\n"
        "assert 'mpi4py' not in sys.modules\n"
        "print(sum(len(t) for t in gmsh.model.mesh.getElements(3)[1]))\n"
        "gmsh.finalize()"
    )
    run = python(code)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) > 4
    assert "MPI" not in run.stdout + run.stderr


def test_vtk_and_simpleitk_read_and_write(tmp_path: Path) -> None:
    code = (
        "import SimpleITK as sitk, vtk\n"
        "sitk.WriteImage(sitk.Image(3, 4, 5, sitk.sitkUInt8), 'a.nii.gz')\n"
        "print(sitk.ReadImage('a.nii.gz').GetSize()); vtk.vtkPolyData()"
    )
    assert python(code, cwd=tmp_path).stdout.strip() == "(3, 4, 5)"


@pytest.mark.skipif(not shutil.which("mmgs_O3"), reason="no MMG here")
def test_the_remesher_starts() -> None:
    run = subprocess.run(["mmgs_O3", "-h"], capture_output=True, text=True, timeout=60)
    assert "MMGS, Release 5" in run.stdout


# What env/exec sets.


def test_paths() -> None:
    first, second = os.environ["PATH"].split(":")[:2]
    assert Path(first) == CHECKOUT / "env" / "bin"
    assert second == os.environ["HEMO_VENV"] + "/bin"
    assert os.environ["PYTHONPATH"] == str(CHECKOUT)
    assert "PYTHONHOME" not in os.environ


def test_the_working_cache_can_be_written() -> None:
    cache = Path(os.environ["XDG_CACHE_HOME"])
    probe = cache / f"probe-{os.getpid()}"
    probe.write_text("x", encoding="utf-8")
    probe.unlink()
    assert cache.stat().st_mode & 0o022 == 0


@pytest.mark.skipif(not IN_ROOT, reason="only the root is mounted read-only")
def test_the_root_is_read_only() -> None:
    for folder in ("/usr", "/etc", "/var", "/"):
        assert os.statvfs(folder).f_flag & os.ST_RDONLY, folder


def test_forms_are_not_compiled_for_this_processor_alone() -> None:
    code = "import dolfinx.jit as j; print(j.get_options()['cffi_extra_compile_args'])"
    assert "-march" not in python(code).stdout
    assert "-march" not in os.environ.get("CFLAGS", "")


# env/exec as a user starts it: from outside. Its own bwrap works inside the environment too.

HEMO_VARIABLES = ("HEMO_ENV", "HEMO_VENV", "XDG_CACHE_HOME", "PYTHONPATH")


def outside(**more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in HEMO_VARIABLES} | more


def nests() -> bool:
    if not IN_ROOT:
        return True
    probe = subprocess.run([EXEC, "true"], env=outside(), capture_output=True)
    return probe.returncode == 0


can_nest = pytest.mark.skipif(not nests(), reason="bwrap inside bwrap is not allowed here")


def start(*command: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [EXEC, *command], env=outside(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def processes(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def assert_gone(mark: str) -> None:
    """The kernel clears a process namespace right after its first process, but not in the same instant."""
    deadline = time.monotonic() + 5
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not processes(mark)


@can_nest
@pytest.mark.parametrize("code", [0, 1, 3, 4, 130])
def test_exit_codes_pass_through(code: int) -> None:
    run = start("sh", "-c", f"exit {code}")
    output, errors = run.communicate(timeout=60)
    assert (run.returncode, output, errors) == (code, "", "")


@can_nest
def test_a_missing_command_is_127() -> None:
    run = start("no-such-command")
    run.communicate(timeout=60)
    assert run.returncode == 127


@can_nest
def test_streams_and_folder_pass_through(tmp_path: Path) -> None:
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    run = start("sh", "-c", 'pwd; cat; echo "$1" >&2', "sh", "an  argument", cwd=folder, stdin=subprocess.PIPE)
    output, errors = run.communicate("typed", timeout=60)
    assert (output, errors) == (f"{folder}\ntyped", "an  argument\n")


ORDERLY = """
import signal, sys, time
def stop(number, frame):
    print(signal.Signals(number).name, flush=True)
    time.sleep(0.3)
    print("in order", flush=True)
    sys.exit(130)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, stop)
print("up", flush=True)
time.sleep(60)
"""


@can_nest
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_the_command_which_ends_in_order(number: signal.Signals) -> None:
    run = start("python3", "-c", ORDERLY)
    assert run.stdout is not None
    assert run.stdout.readline() == "up\n"
    run.send_signal(number)
    output, _ = run.communicate(timeout=60)
    assert output == f"{number.name}\nin order\n"
    assert run.returncode == 130


@can_nest
def test_a_signal_before_the_command_is_up_is_not_lost() -> None:
    run = start("sleep", "60")
    time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)
    assert run.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)


@can_nest
@pytest.mark.skipif(not IN_ROOT, reason="run directly, it is nohup's own affair")
def test_nohup_holds() -> None:
    run = subprocess.Popen(
        ["nohup", EXEC, "sh", "-c", "echo up; sleep 0.5; exit 7"], env=outside(), stdout=-1, stderr=-1, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGHUP)
    assert run.wait(timeout=30) == 7


@can_nest
def test_ctrl_c_at_a_terminal_arrives_once() -> None:
    counts = (
        "import signal, time; n = []; signal.signal(signal.SIGINT, lambda *a: n.append(1));"
        " print('up', flush=True); t = time.monotonic() + 1.5\n"
        "while time.monotonic() < t: time.sleep(0.1)\n"
        "print('count', len(n), flush=True)"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(EXEC, [str(EXEC), "python3", "-c", counts], outside())
    text = b""
    while b"up" not in text:
        text += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while b"count" not in text or not text.endswith(b"\n"):
        text += os.read(terminal, 1024)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"count 1" in text


@can_nest
@pytest.mark.skipif(not IN_ROOT, reason="without a process namespace of its own a command may leave others")
@pytest.mark.parametrize("end", ["exits", "is killed"])
def test_no_process_is_left(end: str) -> None:
    mark = f"987{os.getpid()}"
    script = f"setsid sleep {mark} >/dev/null 2>&1 </dev/null & echo up; "
    run = start("sh", "-c", script + ("exit 5" if end == "exits" else "sleep 60"))
    assert run.stdout is not None
    assert run.stdout.readline() == "up\n"
    if end == "is killed":
        run.kill()
    assert run.wait(timeout=30) == (5 if end == "exits" else -signal.SIGKILL)
    assert_gone(mark)


@can_nest
@pytest.mark.skipif(not shutil.which("mpirun"), reason="no mpirun here")
def test_two_mpi_runs_at_once_do_not_meet() -> None:
    code = "from mpi4py import MPI; import time; MPI.COMM_WORLD.barrier(); time.sleep(0.5); MPI.COMM_WORLD.barrier()"
    runs = [start("mpirun", "-n", "2", "python3", "-c", code) for _ in range(2)]
    for run in runs:
        _, errors = run.communicate(timeout=120)
        assert (run.returncode, errors) == (0, "")


@can_nest
def test_inside_it_runs_directly() -> None:
    run = start(EXEC.as_posix(), "sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'")
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    # The command took env/exec's place: with bwrap's own process, it and its pipe are all there is.
    assert int(output.split()[1]) <= 5 or not IN_ROOT


def test_without_an_environment_one_sentence_and_code_4(tmp_path: Path) -> None:
    run = subprocess.run([EXEC, "true"], env=outside(HEMO_CACHE=str(tmp_path)), capture_output=True, text=True)
    assert run.returncode == 4
    assert run.stderr.count("\n") == 1
    assert "make setup" in run.stderr


# FFCx: a killed compilation leaves a .c file that makes every later run wait and fail.


@can_nest
def test_stale_forms_are_cleared_when_nobody_compiles(tmp_path: Path) -> None:
    forms = tmp_path / "fenics"
    forms.mkdir()
    for name in ("libffcx_forms_a.c", "libffcx_forms_a.o", "libffcx_forms_b.c", "libffcx_forms_b.c.cached"):
        (forms / name).touch()
    command = f"""
        . '{CHECKOUT}/env/forms.sh'
        XDG_CACHE_HOME='{tmp_path}'; lock_forms; ls '{forms}'"""
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert run.stdout.split() == ["libffcx_forms_b.c", "libffcx_forms_b.c.cached"], run.stderr

    (forms / "libffcx_forms_a.c").touch()
    busy = subprocess.Popen(["flock", "-s", str(tmp_path / "forms.lock"), "sh", "-c", "echo up; sleep 30"], stdout=-1)
    assert busy.stdout is not None
    busy.stdout.readline()
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    busy.kill()
    assert "libffcx_forms_a.c" in run.stdout.split()
