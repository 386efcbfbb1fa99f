"""The ``hemo`` command: one module a subcommand, and one place that turns errors into exit codes.

Exit codes: 0 done, 2 bad input, 3 did not converge, 4 a part of the environment is missing, 130 interrupted.
"""

from __future__ import annotations

import errno
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from hemo import __version__
from hemo.cli.agree import agree
from hemo.cli.batch import batch, batch_chunk, batch_gather
from hemo.cli.calibrate import calibrate
from hemo.cli.check import check
from hemo.cli.lines import lines
from hemo.cli.mesh import mesh
from hemo.cli.outcome import outcome
from hemo.cli.plan import plan_command
from hemo.cli.pullback import pullback
from hemo.cli.qfr import qfr
from hemo.cli.reduced import reduced
from hemo.cli.run import run
from hemo.cli.schema import schema
from hemo.cli.tree import tree
from hemo.cli.uncertainty import uncertainty_command
from hemo.cli.wire import wire
from hemo.errors import EnvironmentMissing, HemoError, InputError, Interrupted

# Modules whose absence is the environment's fault, not a bug.
_OPTIONAL = {
    "vtk",
    "vtkmodules",
    "SimpleITK",
    "pydicom",
    "skimage",
    "matplotlib",
    "jinja2",
    "gmsh",
    "meshio",
    "dolfinx",
    "SALib",
    "pandas",
    "pyarrow",
    "statsmodels",
    "sklearn",
    "lifelines",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hemo")
def cli() -> None:
    """Coronary haemodynamics: CT-FFR, wall shear stress and axial plaque stress. For research, not for diagnosis."""


for _command in (run, tree, mesh, reduced, pullback, lines, check, schema, qfr, calibrate, agree, wire, batch, outcome):
    cli.add_command(_command)
for _command in (batch_chunk, batch_gather):  # what the jobs of hemo batch run
    cli.add_command(_command)
cli.add_command(plan_command, "plan")
cli.add_command(uncertainty_command, "uncertainty")


def main() -> NoReturn:
    """Run the command line and exit with hemo's exit codes."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGUSR1, _terminate)
    sys.exit(_guarded())


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(f"stopped by {signal.Signals(number).name}; the same command continues the run.")


def _guarded() -> int:
    """Run, and say what went wrong in one sentence on stderr."""
    try:
        cli.main(standalone_mode=False)
    except HemoError as error:
        return _say(error)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return _say(Interrupted("interrupted; the same command continues the run."))
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in _OPTIONAL:
            raise
        advice = "run `make setup`, or pip install 'hemo[geometry,mesh,study]'"
        return _say(EnvironmentMissing(f"the library {name} is not installed; {advice}."))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "the result"
            return _say(InputError(f"{where}: the disk is full; free some space and run again."))
        raise
    return 0


def _say(error: HemoError) -> int:
    print(f"hemo: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
    return error.exit_code
