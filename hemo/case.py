"""The case file: TOML with unit strings, refused by name where a key is unknown.

pydantic checks the shape, pint the units; everything is SI once :func:`read_case` returns.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.errors import InputError
from hemo.geometry.mesh.extensions import ExtensionLength
from hemo.geometry.mesh.layers import LayerOptions
from hemo.units import parse

SCHEMA_VERSION = 1


def _reader(unit: str) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            return parse(value, unit, "")
        except InputError as error:
            raise ValueError(str(error).removeprefix(": ")) from error

    return read


def _quantity(unit: str, example: str) -> tuple[BeforeValidator, WithJsonSchema]:
    schema = {"type": "string", "description": f"a quantity with its unit, such as {example!r}", "examples": [example]}
    return BeforeValidator(_reader(unit)), WithJsonSchema(schema)


_PRESSURE, _PRESSURE_SCHEMA = _quantity("pascal", "128 mmHg")
_LENGTH, _LENGTH_SCHEMA = _quantity("metre", "1.5 mm")
_FLOW, _FLOW_SCHEMA = _quantity("metre**3/second", "200 mL/min")
_MASS, _MASS_SCHEMA = _quantity("kilogram", "135 g")
_RATE, _RATE_SCHEMA = _quantity("1/second", "66 /min")
_DENSITY, _DENSITY_SCHEMA = _quantity("kilogram/metre**3", "1060 kg/m^3")
_VISCOSITY, _VISCOSITY_SCHEMA = _quantity("pascal*second", "3.5 mPa*s")

Pressure = Annotated[float, _PRESSURE, _PRESSURE_SCHEMA]
Length = Annotated[float, _LENGTH, _LENGTH_SCHEMA]
Flow = Annotated[float, _FLOW, _FLOW_SCHEMA]
Mass = Annotated[float, _MASS, _MASS_SCHEMA]
Rate = Annotated[float, _RATE, _RATE_SCHEMA]
Density = Annotated[float, _DENSITY, _DENSITY_SCHEMA]
Viscosity = Annotated[float, _VISCOSITY, _VISCOSITY_SCHEMA]


Millimetres = Annotated[float, AfterValidator(lambda value: 1e-3 * value)]
Place = tuple[Millimetres, Millimetres, Millimetres]


def _extension(value: Any) -> ExtensionLength:
    if isinstance(value, ExtensionLength):
        return value
    number, _, unit = str(value).strip().partition(" ")
    if unit.strip() in ("diameter", "diameters"):
        try:
            length = ExtensionLength(float(number), in_diameters=True)
        except ValueError as error:
            raise ValueError(f"{value!r} is not a number of diameters") from error
    else:
        length = ExtensionLength(_reader("metre")(value))
    least, most = (0.5, 20.0) if length.in_diameters else (0.5e-3, 50e-3)
    if not least <= length.value <= most:
        raise ValueError(f"{value!r} is out of range; give 0.5 to 50 mm, or 0.5 to 20 diameters")
    return length


Extended = Annotated[
    ExtensionLength,
    BeforeValidator(_extension),
    WithJsonSchema({"type": "string", "description": "a length or a number of diameters", "examples": ["3 diameters"]}),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CaseInfo(_Section):
    """What the case is called."""

    name: str = Field(min_length=1, description="a title for the report")
    schema_version: Literal[1] = 1


class AnalyticVessel(_Section):
    """A straight vessel with one cosine stenosis, made by formula."""

    diameter: Length
    length: Length
    severity: float = Field(ge=0.0, lt=1.0, description="diameter fraction lost at the throat; 0 for none")
    lesion_length: Length = 10e-3
    lesion_centre: Length = 20e-3


GEOMETRY_SOURCES = ("label_map", "surface", "centreline", "contours", "tree", "analytic")


class GeometrySection(_Section):
    """Where the lumen comes from: one of GEOMETRY_SOURCES, or centrelines with a surface or label map."""

    label_map: str | None = Field(
        None, description="NIfTI, NRRD, MHA or DICOM SEG; relative to the case file; $VARIABLES expand"
    )
    labels: dict[str, int | str | list[int | str]] | None = Field(
        None, description="number, name or list of them of the aorta and of the coronaries; 1 and 2 without names"
    )
    surface: str | None = Field(None, description="STL, VTP, PLY or OBJ of aorta and coronaries, or of one tree")
    centreline: str | list[str] | None = Field(
        None, description="VMTK centrelines (VTP) or SimVascular paths (.pth), alone or with a surface or label map"
    )
    contours: str | list[str] | None = Field(None, description="SimVascular contours (.ctgr), or a folder of them")
    unit: Literal["mm", "cm", "m"] | None = Field(
        None, description="unit of surface, centreline and contours; guessed and checked without"
    )
    tree: str | None = Field(None, description="a tree.json: reduced-order only, unless a surface is given too")
    analytic: AnalyticVessel | None = None
    ostia: list[Place] = Field([], description="where the trees begin, mm, LPS; found without it")
    names: dict[str, str | Place] = Field(
        {}, description="name = which branch: the name hemo gave it (or TREE/NAME), or a place on it, mm, LPS"
    )
    minimal_outlet_diameter: Length = 1.5e-3
    flow_extension: Extended | None = Field(None, description="prolong every outlet of the mesh, such as '3 diameters'")
    inlet_extension: Extended | None = Field(None, description="prolong the inlet of the mesh")

    @field_validator("labels", mode="before")
    @classmethod
    def _numbers_or_names(cls, labels: Any) -> Any:
        for value in labels.values() if isinstance(labels, dict) else (labels,):
            several = value if isinstance(value, list) and value else [value]
            if not all(type(label) is int or (type(label) is str and label.strip()) for label in several):
                raise ValueError("a label is a whole number, a name in quotes, or a list of them")
        return labels

    @model_validator(mode="after")
    def _one_source(self) -> GeometrySection:
        given = [key for key in GEOMETRY_SOURCES if getattr(self, key) is not None]
        together = "centreline" in given and len(given) == 2 and {"surface", "label_map"} & set(given)
        if len(given) != 1 and not together:
            stated = " and ".join(given) if given else "none"
            known = ", ".join(GEOMETRY_SOURCES[:-1])
            raise ValueError(
                f"give exactly one of {known} and {GEOMETRY_SOURCES[-1]}, or a centreline with a surface or label_map "
                f"({stated} given)"
            )
        return self


class PatientSection(_Section):
    """The patient: pressures from the cuff or the catheter, heart rate, myocardial mass."""

    systolic: Pressure | None = None
    diastolic: Pressure | None = None
    mean_pressure: Pressure | None = None
    heart_rate: Rate | None = None
    myocardial_mass: Mass | None = Field(None, description="left ventricular mass")


class FlowSection(_Section):
    """How much flow, and how it is shared out."""

    state: Literal["rest", "hyperaemia"] = "hyperaemia"
    exponent: float = Field(2.39, gt=0.0, description="flow-diameter exponent at bifurcations")
    resistance_reserve: float = Field(3.0, ge=1.0, description="resting over hyperaemic microvascular resistance")
    rest_flow: Flow | None = Field(None, description="measured resting flow of the whole coronary circulation")
    inlet_flow: Flow | None = Field(None, description="prescribed flow through the inlet of a single tree")
    venous_pressure: Pressure = 5.0 * 133.322387415


class BloodSection(_Section):
    """The fluid."""

    density: Density = 1060.0
    viscosity: Viscosity = 3.5e-3


class FemSection(_Section):
    """The finite-element solve."""

    cells_per_diameter: float = Field(6.0, ge=3.0, le=40.0, description="P2-P1 tetrahedra across every diameter")
    boundary_layers: int = Field(0, ge=0, le=10, description="layers of flat cells along the wall")
    first_layer: float = Field(0.04, gt=0.0, le=0.2, description="thickness of the first layer over the local radius")
    layer_growth: float = Field(1.4, ge=1.0, le=3.0, description="thickness of a layer over that of the one before")

    @property
    def layers(self) -> LayerOptions:
        """What the mesher is asked for."""
        return LayerOptions(self.boundary_layers, self.first_layer, self.layer_growth)

    @model_validator(mode="after")
    def _layers_leave_a_core(self) -> FemSection:
        try:
            _ = self.layers
        except InputError as error:
            raise ValueError(str(error)) from error
        return self


class LesionSection(_Section):
    """Which narrowings are lesions and where their FFR is read."""

    minimal_stenosis: float = Field(0.30, gt=0.0, lt=1.0, description="diameter fraction lost that makes a lesion")
    measurement_distance: Length = Field(20e-3, description="FFR is read this far beyond the lesion's end")


class Case(_Section):
    """A whole case file."""

    case: CaseInfo
    geometry: GeometrySection
    patient: PatientSection = PatientSection()
    flow: FlowSection = FlowSection()
    blood: BloodSection = BloodSection()
    fem: FemSection = FemSection()
    lesion: LesionSection = LesionSection()

    def fluid(self) -> Blood:
        """The blood as the solvers take it."""
        return Blood(self.blood.density, self.blood.viscosity)

    def physiology(self) -> Physiology:
        """The patient as the boundary conditions take it."""
        given = self.patient.model_fields_set | self.flow.model_fields_set
        return Physiology(
            systolic=self.patient.systolic,
            diastolic=self.patient.diastolic,
            mean_pressure=self.patient.mean_pressure,
            venous_pressure=self.flow.venous_pressure,
            heart_rate=self.patient.heart_rate,
            myocardial_mass=self.patient.myocardial_mass,
            rest_flow=self.flow.rest_flow,
            resistance_reserve=self.flow.resistance_reserve,
            exponent=self.flow.exponent,
            inlet_flow=self.flow.inlet_flow,
            state=self.flow.state,
            given=frozenset(given),
        )


def read_case(path: Path) -> Case:
    """Read and check a case file.

    Raises
    ------
    InputError
        Missing file, bad TOML, an unknown key (with the nearest known one), or a value out of range.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file; a case file is TOML.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the case file ({error.strerror}); check the path.") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML ({error}); correct that place.") from error
    return check_case(data, str(path))


def check_case(data: Mapping[str, Any], where: str) -> Case:
    """The case in a parsed TOML document; raises InputError like :func:`read_case`."""
    try:
        return Case.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {problems(error)[0]}") from error


def with_extensions(case: Case, flow_extension: str | None, inlet_extension: str | None) -> Case:
    """The case with the flow extensions that the command line gives; None leaves the case file's.

    Raises
    ------
    InputError
        If a text is no length and no number of diameters.
    """
    changes: dict[str, ExtensionLength] = {}
    for key, text in (("flow_extension", flow_extension), ("inlet_extension", inlet_extension)):
        try:
            changes |= {} if text is None else {key: _extension(text)}
        except ValueError as error:
            raise InputError(f"--{key.replace('_', '-')}: {error}.".replace("..", ".")) from error
    return case.model_copy(update={"geometry": case.geometry.model_copy(update=changes)})


def problems(error: ValidationError) -> list[str]:
    """Every complaint of pydantic as one plain sentence naming the key."""
    return list(dict.fromkeys(_sentence(item) for item in error.errors()))


def _sentence(first: Mapping[str, Any]) -> str:
    place = [str(part) for part in first["loc"]]
    key = ".".join(place) or "the file"
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys here are {', '.join(known)}."
        return f"the key {key} is unknown; {hint}"
    if first["type"] == "missing":
        return f"{key} is missing; add it."
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{key}: {message}."


def _known_keys(place: list[str]) -> list[str]:
    model: type[BaseModel] = Case
    for part in place:
        annotation: Any = model.model_fields[part].annotation if part in model.model_fields else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        models = [item for item in options if isinstance(item, type) and issubclass(item, BaseModel)]
        if not models:
            return []
        model = models[0]
    return sorted(model.model_fields)


def resolve_path(case_path: Path, text: str) -> Path:
    """A path of the case file: environment variables expanded, relative to the case file's folder.

    Raises
    ------
    InputError
        If a variable is not set.
    """
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        name = expanded[expanded.index("$") + 1 :].split("/")[0].strip("{}")
        raise InputError(f"{case_path}: {text!r} uses the environment variable {name}, which is not set; set it.")
    return (Path(case_path).parent / Path(expanded).expanduser()).resolve()
