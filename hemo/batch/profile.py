"""The site's profile (TOML): where jobs go and how hemo starts there. It has no place for a password."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hemo.batch.cohort import megabytes, seconds
from hemo.errors import InputError
from hemo.tomlfile import problems, read_toml


def _quantity(reader: Callable[[str, str], float]) -> BeforeValidator:
    def read(value: Any) -> float:
        try:
            return reader(value, "")
        except InputError as error:
            raise ValueError(str(error).removeprefix(": ")) from error

    return BeforeValidator(read)


Memory = Annotated[float, _quantity(megabytes), Field(ge=10.0)]
Time = Annotated[float, _quantity(seconds), Field(ge=1.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,@:-]{1,64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SiteSection(_Section):
    """How hemo starts in a job."""

    setup: str = Field("", description="shell line before it, such as 'module load hemo'")
    command: str | None = Field(None, min_length=1, description="hemo itself, such as 'apptainer exec hemo.sif hemo'")


class SlurmSection(_Section):
    """Where the jobs go."""

    partition: Name | None = None
    account: Name | None = None
    qos: Name | None = None
    constraint: str | None = Field(None, pattern=r"^[A-Za-z0-9_.,&|*()\[\]-]{1,120}$")
    extra: str | None = Field(None, description="further options of sbatch, such as '--exclude=node7'")
    status_command: Literal["squeue", "sacct"] = Field("squeue", description="sacct hangs where nothing is accounted")
    status_interval: Time = Field(10.0, description="between two looks at the queue")


class ReducedSection(_Section):
    """What a reduced case asks for."""

    memory: Memory = Field(2000.0, description="of a job, MB")
    time: Time = Field(30.0, description="of one case, s")


class FemSection(_Section):
    """What a 3D case asks for."""

    ranks: int = Field(2, ge=1, le=4096)
    memory: Memory = 8000.0
    time: Time = 12 * 3600.0


class Profile(_Section):
    """A site."""

    site: SiteSection = SiteSection()
    slurm: SlurmSection = SlurmSection()
    reduced: ReducedSection = ReducedSection()
    fem: FemSection = FemSection()


def read_profile(path: Path | None) -> Profile:
    """Read a profile, or give the defaults without one.

    Raises
    ------
    InputError
        It cannot be read, or holds what is unknown or out of range.
    """
    if path is None:
        return Profile()
    data = read_toml(path, "profile")
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{path}: {problems(error, Profile)[0]}") from error
