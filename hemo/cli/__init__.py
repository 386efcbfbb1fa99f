"""The ``hemo`` command: one module a subcommand, and one place that turns errors into exit codes.

Exit codes: 0 done, 2 bad input, 3 did not converge, 4 a part of the environment is missing, 130 interrupted.
"""

from __future__ import annotations

import errno
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from hemo import __version__
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


# Module and function of each command, imported when it is asked for: others need not wait for their libraries.
_COMMANDS = {
    "agree": "agree.agree",
    "batch": "batch.batch",
    "batch-chunk": "batch.batch_chunk",  # what the jobs of hemo batch run, as the next
    "batch-gather": "batch.batch_gather",
    "calibrate": "calibrate.calibrate",
    "check": "check.check",
    "lines": "lines.lines",
    "mesh": "mesh.mesh",
    "outcome": "outcome.outcome",
    "plan": "plan.plan_command",
    "pullback": "pullback.pullback",
    "qfr": "qfr.qfr",
    "reduced": "reduced.reduced",
    "run": "run.run",
    "schema": "schema.schema",
    "tree": "tree.tree",
    "uncertainty": "uncertainty.uncertainty_command",
    "wire": "wire.wire",
}


class _Commands(click.Group):
    """The commands by their names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None where there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, function = _COMMANDS[cmd_name].partition(".")
        found: click.Command = getattr(import_module(f"hemo.cli.{module}"), function)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hemo")
def cli() -> None:
    """Coronary haemodynamics: CT-FFR, wall shear stress and axial plaque stress. For research, not for diagnosis."""


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
