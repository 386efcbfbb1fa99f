"""The case file: TOML with unit strings, refused by name where a key is unknown.

pydantic checks the shape, pint the units; everything is SI once :func:`read_case` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from hemo.beattrace import BeatTrace, read_flow_trace, read_pressure_trace
from hemo.blood import Blood, CarreauYasuda
from hemo.boundary import Physiology
from hemo.boundary.patient import Scale, with_inflow, with_trace
from hemo.errors import InputError
from hemo.geometry.mesh.extensions import ExtensionLength
from hemo.geometry.mesh.layers import LayerOptions
from hemo.indices import Reading
from hemo.tomlfile import problems, read_toml, resolve_path
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
_TIME, _TIME_SCHEMA = _quantity("second", "1.5 s")
_DENSITY, _DENSITY_SCHEMA = _quantity("kilogram/metre**3", "1060 kg/m^3")
_VISCOSITY, _VISCOSITY_SCHEMA = _quantity("pascal*second", "3.5 mPa*s")

Pressure = Annotated[float, _PRESSURE, _PRESSURE_SCHEMA]
Length = Annotated[float, _LENGTH, _LENGTH_SCHEMA]
Flow = Annotated[float, _FLOW, _FLOW_SCHEMA]
Mass = Annotated[float, _MASS, _MASS_SCHEMA]
Rate = Annotated[float, _RATE, _RATE_SCHEMA]
Time = Annotated[float, _TIME, _TIME_SCHEMA]
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

    name: str = Field("vessel", min_length=1, description="of the vessel; SFA, LAD ... tell its flow")
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
    tree: str | None = Field(
        None, description="a tree.json, alone: its lumen in finite elements is made of round sections of its areas"
    )
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

    territory: Literal["coronary", "femoropopliteal", "generic"] = "coronary"
    dominance: Literal["right", "co-dominant", "left"] = "right"
    systolic: Pressure | None = None
    diastolic: Pressure | None = None
    mean_pressure: Pressure | None = None
    hyperaemic_mean_pressure: Pressure | None = Field(None, description="that at rest without it")
    heart_rate: Rate | None = None
    aortic_waveform: str | None = Field(
        None,
        description="CSV of a measured beat: time_s or time_ms, pressure_mmHg; instead of pressures and heart rate",
    )
    cardiac_output: Flow | None = None
    myocardial_mass: Mass | None = Field(None, description="left ventricular mass")
    total_myocardial_mass: Mass | None = Field(None, description="mass of the whole heart, instead")

    @model_validator(mode="after")
    def _one_mass(self) -> PatientSection:
        if self.myocardial_mass is not None and self.total_myocardial_mass is not None:
            raise ValueError("give myocardial_mass (left ventricle) or total_myocardial_mass (whole heart), not both")
        return self


class FlowSection(_Section):
    """How much flow, and how it is shared out."""

    state: Literal["rest", "hyperaemia"] = "hyperaemia"
    scale: Scale = Field("automatic", description="what sets the flow; the best that is given without it")
    exponent: float | None = Field(None, gt=0.0, description="flow-diameter exponent at bifurcations and along tapers")
    bed_time_constant: Time | None = Field(
        None, description="capacitance times resistance of the beds at rest, of beats in time"
    )
    bed_impedance: float | None = Field(
        None, gt=0.0, lt=0.9, description="wave impedance over the bed's resistance at rest; not of coronary beds"
    )
    leakage: bool = Field(True, description="whether tapering vessels lose flow to branches too thin to be seen")
    resistance_reserve: float | None = Field(
        None, ge=1.0, description="resting over hyperaemic microvascular resistance"
    )
    flow_reserve: float | None = Field(None, gt=0.0, description="measured coronary flow reserve, with measured_ffr")
    measured_ffr: float | None = Field(None, gt=0.0, le=1.0, description="FFR of the vessel of flow_reserve")
    microcirculatory_resistance_index: float | None = Field(None, gt=0.0, description="IMR, mmHg s")
    microvasculature: Literal["patient", "healthy", "dysfunction"] = "patient"
    rest_flow: Flow | None = Field(None, description="measured resting flow of the whole coronary circulation")
    vessel_flow: dict[str, Flow] = Field({}, description="measured flow at the start of vessels, by their names")
    vessel_flow_state: Literal["rest", "hyperaemia"] = "rest"
    inlet_flow: Flow | None = Field(None, description="prescribed flow through the inlet of a single tree")
    inlet_waveform: str | None = Field(
        None,
        description="CSV of a measured beat: time_s or time_ms, flow_mL/s; instead of inlet_flow and heart_rate",
    )
    venous_pressure: Pressure | None = Field(None, description="beyond the microvasculature, 5 mmHg without it")


class BloodSection(_Section):
    """The fluid."""

    model: Literal["newtonian", "carreau-yasuda"] = Field("newtonian", description="of the finite elements")
    density: Density = 1060.0
    viscosity: Viscosity = Field(3.5e-3, description="of a fluid that thins: that at high shear")
    zero_shear_viscosity: Viscosity = Field(
        56e-3, description="of carreau-yasuda, as what follows; above viscosity", examples=["56 mPa*s"]
    )
    relaxation_time: Time = Field(1.902, description="lambda; its inverse is the shear rate where blood begins to thin")
    transition: float = Field(1.25, gt=0.0, description="exponent a")
    power_index: float = Field(0.22, gt=0.0, le=1.0, description="exponent n")

    @model_validator(mode="after")
    def _a_fluid(self) -> BloodSection:
        given = self.model_fields_set & {"zero_shear_viscosity", "relaxation_time", "transition", "power_index"}
        if self.model == "newtonian" and given:
            raise ValueError(f"{min(given)} needs model = 'carreau-yasuda'")
        try:
            self.fluid()
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    def fluid(self) -> Blood:
        """The blood as the solvers take it."""
        if self.model == "newtonian":
            return Blood(self.density, self.viscosity)
        thinning = CarreauYasuda(self.zero_shear_viscosity, self.relaxation_time, self.transition, self.power_index)
        return Blood(self.density, self.viscosity, thinning)


class FemSection(_Section):
    """The finite-element solve."""

    cells_per_diameter: float = Field(6.0, ge=3.0, le=40.0, description="P2-P1 tetrahedra across every diameter")
    stretch: float = Field(2.0, ge=1.0, le=4.0, description="length over width of the cells of straight vessels")
    boundary_layers: int = Field(0, ge=0, le=10, description="layers of flat cells along the wall")
    first_layer: float = Field(0.04, gt=0.0, le=0.2, description="thickness of the first layer over the local radius")
    layer_growth: float = Field(1.4, ge=1.0, le=3.0, description="thickness of a layer over that of the one before")
    pulsatile: bool = Field(False, description="whether a heart beat is followed in time; else the flow is steady")
    steps_per_beat: int = Field(100, ge=40, le=1000, description="time steps of a beat")
    average_unsteady: bool = Field(True, description="whether flow that has no steady state is averaged over time")
    checkpoint_interval: Time = Field(60.0, description="of solving between checkpoints")

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
    wire: dict[str, Length] = Field({}, description="where the wire's sensor was, along the branch named; wins")
    definition: Literal["Pd/Pa", "(Pd-Pv)/(Pa-Pv)"] = Field("Pd/Pa", description="of FFR; Pv the venous pressure")


class PerfusionSection(_Section):
    """Perfusion of the muscle, as an image, and which of it is muscle."""

    map: str = Field(description="NIfTI, NRRD or MetaImage of the perfusion; relative to the case file")
    myocardium: str = Field(description="label map of the muscle; every value but 0 counts")
    unit: Literal["mL/min/g", "mL/min/100 g", "mL/min/mL", "mL/min/100 mL"]
    state: Literal["rest", "hyperaemia"] = Field("hyperaemia", description="in which the map was made")


class UncertaintySection(_Section):
    """How far the input may be off."""

    lumen_diameter: Length | None = Field(None, description="standard deviation; a quarter of a voxel without it")


class Case(_Section):
    """A whole case file."""

    case: CaseInfo
    geometry: GeometrySection
    patient: PatientSection = PatientSection()
    flow: FlowSection = FlowSection()
    blood: BloodSection = BloodSection()
    fem: FemSection = FemSection()
    perfusion: PerfusionSection | None = None
    lesion: LesionSection = LesionSection()
    uncertainty: UncertaintySection = UncertaintySection()
    _trace: BeatTrace | None = PrivateAttr(None)
    _inflow: BeatTrace | None = PrivateAttr(None)

    def fluid(self) -> Blood:
        """The blood as the solvers take it."""
        return self.blood.fluid()

    def reading(self) -> Reading:
        """Where FFR is read."""
        return Reading(self.lesion.measurement_distance, self.lesion.wire)

    def physiology(self) -> Physiology:
        """The patient as the boundary conditions take it."""
        given = {**dict(self.patient), **dict(self.flow)}
        patient = Physiology(**{name: value for name, value in given.items() if not name.endswith("_waveform")})
        if self._trace is not None:
            patient = with_trace(patient, self._trace)
        return patient if self._inflow is None else with_inflow(patient, self._inflow)

    def with_waveforms(self, path: Path) -> Case:
        """The same case with the beats that its waveforms hold; ``path`` is that of the case file."""
        case, pressure, flow = self.model_copy(), self.patient.aortic_waveform, self.flow.inlet_waveform
        if pressure is not None:
            case._trace = read_pressure_trace(resolve_path(path, pressure))
        if flow is not None:
            case._inflow = read_flow_trace(resolve_path(path, flow))
        return case


def read_case(path: Path) -> Case:
    """Read and check a case file.

    Raises
    ------
    InputError
        Missing file, bad TOML, an unknown key (with the nearest known one), a value out of range, or a waveform that is
        no beat.
    """
    data = read_toml(path, "case file")
    return check_case(data, str(path)).with_waveforms(path)


def check_case(data: Mapping[str, Any], where: str) -> Case:
    """The case in a parsed TOML document; raises InputError like :func:`read_case`."""
    try:
        return Case.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {problems(error, Case)[0]}") from error


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
