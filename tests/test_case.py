from dataclasses import astuple

import pytest

from hemo.blood import CarreauYasuda
from hemo.case import check_case, read_case
from hemo.errors import InputError
from hemo.stages import check_case as refuse_what_cannot_work
from hemo.tomlfile import resolve_path
from hemo.units import MMHG

GOOD = """
[case]
name = "x"
[geometry]
label_map = "lumen.nii.gz"
[patient]
systolic = "128 mmHg"
diastolic = "76 mmHg"
"""


def test_a_case_becomes_si(tmp_path):
    file = tmp_path / "case.toml"
    file.write_text(GOOD + '[flow]\nexponent = 2.7\n[blood]\nviscosity = "4 mPa*s"\n')
    case = read_case(file)
    assert case.physiology().systolic == pytest.approx(128 * MMHG)
    assert case.physiology().exponent == 2.7
    assert case.physiology().resistance_reserve is None  # the territory's default
    assert case.fluid().viscosity == pytest.approx(4e-3)
    assert case.geometry.minimal_outlet_diameter == pytest.approx(1.5e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "[pateint]\n", "pateint is unknown; did you mean 'patient'"),
        (GOOD + 'hart_rate = "66 /min"\n', "patient.hart_rate is unknown; did you mean 'heart_rate'"),
        (GOOD.replace("128 mmHg", "128"), "patient.systolic.*no unit"),
        (GOOD.replace('"128 mmHg"', "128"), "patient.systolic"),
        (GOOD.replace("128 mmHg", "128 kg"), "patient.systolic"),
        (GOOD.replace('label_map = "lumen.nii.gz"', ""), "exactly one"),
        (GOOD.replace('"lumen.nii.gz"', '"a.nii"\nsurface = "b.stl"'), "exactly one"),
        (GOOD.replace('label_map = "lumen.nii.gz"', 'tree = "a.json"\nsurface = "b.stl"'), "surface and tree given"),
        (GOOD.replace('name = "x"', ""), "case.name is missing"),
        (GOOD + "[fem]\ncells_per_diameter = 1000\n", "fem.cells_per_diameter"),
        (GOOD + '[flow]\nstate = "sleep"\n', "flow.state"),
        (GOOD + '[flow]\nbed_time_constant = "1.5 mm"\n', "flow.bed_time_constant"),
        (GOOD + '[blood]\nrelaxation_time = "2 s"\n', "blood: relaxation_time needs model = 'carreau-yasuda'"),
        (GOOD + '[blood]\nmodel = "carreau-yasuda"\nzero_shear_viscosity = "3 mPa*s"\n', "zero_shear_viscosity"),
        (GOOD + '[blood]\nmodel = "carreau-yasuda"\npower_index = 1.2\n', "power_index"),
        ("= nonsense", "not valid TOML"),
    ],
)
def test_bad_cases_name_the_key(tmp_path, text, message):
    file = tmp_path / "case.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_case(file)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_case(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_case(tmp_path / "b.toml")


def test_paths_are_relative_to_the_case_and_expand_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "data"))
    case = tmp_path / "a" / "case.toml"
    assert resolve_path(case, "x.stl") == (tmp_path / "a" / "x.stl").resolve()
    assert resolve_path(case, "$SOMEWHERE/x.stl") == (tmp_path / "data" / "x.stl").resolve()
    monkeypatch.delenv("SOMEWHERE")
    with pytest.raises(InputError, match="SOMEWHERE, which is not set"):
        resolve_path(case, "$SOMEWHERE/x.stl")


def test_default_fluid_refuses_absurd_units():
    with pytest.raises(InputError, match="density"):
        check_case(
            {
                "case": {"name": "x"},
                "geometry": {"surface": "a.stl"},
                "blood": {"density": "1.06 kg/m^3"},
            },
            "case.toml",
        ).fluid()


@pytest.mark.parametrize("flow", [{"bed_impedance": 0.1}, {"bed_time_constant": "-1 s"}])
def test_beds_that_are_none_are_refused_at_once(flow):
    text = {"case": {"name": "x"}, "geometry": {"surface": "a.stl"}, "patient": {"mean_pressure": "93 mmHg"}}
    with pytest.raises(InputError, match=r"flow\.bed_"):
        refuse_what_cannot_work(check_case(text | {"flow": flow}, "case.toml"), ("reduced",))


def test_blood_that_thins_needs_no_flow_extension():
    text = {"case": {"name": "x"}, "geometry": {"surface": "a.stl"}, "patient": {"mean_pressure": "93 mmHg"}}
    text["blood"] = {"model": "carreau-yasuda", "viscosity": "3.45 mPa*s"}
    case = check_case(text, "case.toml")
    fluid = case.fluid()
    assert fluid.viscosity == pytest.approx(3.45e-3)
    assert astuple(fluid.thinning) == pytest.approx(astuple(CarreauYasuda()))
    refuse_what_cannot_work(case, ("fem",))
    text["geometry"]["flow_extension"] = "3 diameters"
    with pytest.raises(InputError, match="leave the extension out"):
        refuse_what_cannot_work(check_case(text, "case.toml"), ("fem",))
