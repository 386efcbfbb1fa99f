"""Reading XA cines: round trips, what the standard allows, every refusal by its sentence, and the patient's privacy."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import (
    MPEG4HP41,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from hemo.errors import EnvironmentMissing, InputError
from hemo.qfr.cine import Cine
from hemo.qfr.dicom import _ELEMENTS, read_cine, read_views
from hemo.qfr.synthetic.xadicom import write_cine
from hemo.qfr.views import check_views, frame_counting_possible
from tests.qfr.xafiles import SECRETS, as_text, changed, enhanced, file, filling, planted, told, view

# Types 1 and 2 of PS3.3, A.14: patient, study, series, equipment, image, cine, X-ray image, acquisition, positioner.
REQUIRED = [
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"),
    *("ReferringPhysicianName", "StudyID", "AccessionNumber", "SeriesInstanceUID", "SeriesNumber", "Manufacturer"),
    *("SOPInstanceUID", "InstanceNumber", "ImageType", "SamplesPerPixel", "PhotometricInterpretation", "Rows"),
    *("Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "NumberOfFrames"),
    *("FrameIncrementPointer", "FrameTime", "PixelIntensityRelationship", "KVP", "RadiationSetting"),
    *("XRayTubeCurrent", "ExposureTime", "PositionerMotion", "PositionerPrimaryAngle", "PositionerSecondaryAngle"),
    "TableMotion",
]


def alike(one: Cine, other: Cine) -> bool:
    return (
        one.camera == other.camera
        and one.logarithmic == other.logarithmic
        and one.times == pytest.approx(other.times, rel=1e-14, abs=1e-15)
        and np.array_equal(one.frames, other.frames)
    )


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_cine(path, **options)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) - len(str(path)) < 250
    return sentence.removeprefix(f"{path}: ")


# Round trips


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_cine_comes_back_from_its_file(tmp_path: Path, bits: int, even: bool, logarithmic: bool) -> None:
    chance = np.random.default_rng(bits)
    times = np.arange(9) / 15.0 if even else np.concatenate([[0.0], np.cumsum(chance.uniform(0.05, 0.08, 8))])
    cine = Cine(chance.integers(0, 2**bits, (9, 64, 48)), times, view(37.3, -18.7), logarithmic)
    write_cine(tmp_path / "view.dcm", cine, bits)
    assert alike(read_cine(tmp_path / "view.dcm"), cine)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("logarithmic", [True, False])
def test_fractional_frames_come_back_to_half_a_step(tmp_path: Path, bits: int, logarithmic: bool) -> None:
    frames = np.random.default_rng(2).uniform(-4.0, 3.0, (5, 64, 48))
    write_cine(tmp_path / "view.dcm", replace(filling(frames=5, logarithmic=logarithmic), frames=frames), bits)
    found = read_cine(tmp_path / "view.dcm").frames
    assert np.abs(found - frames).max() <= 0.5 * np.ptp(frames) / (2**bits - 1) + 1e-6  # half a step, single precision


def test_odd_numbers_of_bytes_and_one_value_everywhere_come_back(tmp_path: Path) -> None:
    cine = Cine(np.full((3, 33, 35), 7.25), np.arange(3) / 15.0, view(shape=(33, 35)))
    write_cine(tmp_path / "view.dcm", cine, 8)
    assert np.array_equal(read_cine(tmp_path / "view.dcm").frames, cine.frames)


@pytest.mark.parametrize("primary", [-180.0, -90.0, 0.0, 33.333333333, 180.0])
@pytest.mark.parametrize("secondary", [-90.0, 0.1, 90.0])
def test_angles_of_the_whole_range_come_back(tmp_path: Path, primary: float, secondary: float) -> None:
    cine = filling(view(primary, secondary))
    assert read_cine(file(tmp_path, cine)).camera == cine.camera


def test_equal_cines_give_equal_files_that_appear_whole(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_cine(tmp_path / name, filling())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"one", "other"}


@pytest.mark.parametrize("bits", [8, 12])
def test_the_file_is_valid_and_another_library_reads_it(tmp_path: Path, bits: int) -> None:
    cine = replace(filling(), frames=filling().frames % 2**bits)
    write_cine(tmp_path / "view.dcm", cine, bits)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "view.dcm"))), cine.frames)
    pydicom.config.settings.reading_validation_mode, before = pydicom.config.RAISE, pydicom.config.WARN
    try:
        dataset = pydicom.dcmread(tmp_path / "view.dcm")
        held = {element.keyword: element.value for element in dataset}
    finally:
        pydicom.config.settings.reading_validation_mode = before
    assert held["SOPClassUID"] == "1.2.840.10008.5.1.4.1.1.12.1" and held["Modality"] == "XA"
    assert set(REQUIRED) <= set(held)
    assert held["PatientOrientation"] == ["LA", "FAR"]  # RAO 30, cranial 25: down is to the feet and the front


@pytest.mark.parametrize("bits", [7, 17])
def test_the_writer_refuses_bits_that_no_file_has(tmp_path: Path, bits: int) -> None:
    with pytest.raises(InputError, match="choose 8 to 16"):
        write_cine(tmp_path / "view.dcm", filling(), bits)


def test_the_writer_refuses_frames_that_are_not_finite(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be finite"):
        write_cine(tmp_path / "view.dcm", replace(filling(), frames=np.full((8, 64, 48), np.nan)))


# How files may be stored


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes_are_read(tmp_path: Path, syntax: UID) -> None:
    path = file(tmp_path)
    dataset = pydicom.dcmread(path)
    little = syntax.is_little_endian
    if not little:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    bare, bare.file_meta = Dataset(dataset), dataset.file_meta  # without the memory of how it was read
    bare.file_meta.TransferSyntaxUID = syntax
    bare.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=little, enforce_file_format=True)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    assert alike(read_cine(path), filling())


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_lossless_compressions_are_read_without_a_warning(
    tmp_path: Path, syntax: UID, caplog: pytest.LogCaptureFixture
) -> None:
    path = file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.save_as(path)
    assert alike(read_cine(path), filling())
    assert not caplog.records


def test_without_pydicoms_decoder_gdcm_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.compress(JPEGLSLossless)
    dataset.save_as(path)
    monkeypatch.setattr("hemo.qfr.xapixels.decodable", lambda syntax: False)
    assert alike(read_cine(path), filling())


def by_gdcm(path: Path, compressor: str) -> UID:
    """Compress a cine's file with another library's encoder."""
    image = sitk.GetImageFromArray(filling().frames)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.SetFileName(str(path.with_name("gdcm.dcm")))
    writer.Execute(image)
    compressed, dataset = pydicom.dcmread(path.with_name("gdcm.dcm")), pydicom.dcmread(path)
    dataset.PixelData, dataset["PixelData"].is_undefined_length = compressed.PixelData, True
    dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
    dataset.save_as(path)
    return dataset.file_meta.TransferSyntaxUID


@pytest.mark.parametrize(
    ("compressor", "syntax"),
    [("JPEG", JPEGLosslessSV1), ("JPEG2000", JPEG2000Lossless)],
)
def test_frames_that_another_library_compressed_come_back(tmp_path: Path, compressor: str, syntax: UID) -> None:
    path = file(tmp_path)
    assert by_gdcm(path, compressor) == syntax
    assert alike(read_cine(path), filling())


def test_damaged_jpeg_lossless_of_angiography_discs_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path)
    by_gdcm(path, "JPEG")
    data = path.read_bytes()
    for cut in (len(data) - 9, len(data) - 3000):
        path.write_bytes(data[:cut])
        refusal(path)
    damaged = bytearray(data)
    for place in range(data.index(b"\xff\xc3") + 2, len(data) - 9, 13):
        damaged[place] ^= 0x5A
    path.write_bytes(damaged)
    refusal(path)
    assert capfd.readouterr().err == ""


def test_lossy_compression_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.compress(JPEGLSNearLossless, jls_error=3)
    dataset.save_as(path)
    assert np.abs(read_cine(path).frames.astype(int) - filling().frames).max() == 3
    read_cine(file(tmp_path, LossyImageCompression="01"))
    assert [record.message.split(": ")[1][:36] for record in caplog.records] == [
        "its frames were compressed with loss"
    ] * 2


def test_a_compression_without_decoder_is_named(tmp_path: Path) -> None:
    path = file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.save_as(path)
    with pytest.raises(EnvironmentMissing, match=r"\(High-Throughput JPEG 2000 .*needs another decoder; pip install"):
        read_cine(path)


def test_a_video_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.save_as(path)
    assert "in a way that no decoder here reads; store the file uncompressed" in refusal(path)


# Times


def test_times_follow_from_the_rate_only_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file(tmp_path, FrameTime=None, FrameIncrementPointer=None)
    assert read_cine(path).times == pytest.approx(np.arange(8) / 15.0)
    assert "rounded to whole frames" in caplog.text


def test_seven_and_a_half_frames_a_second_agree_with_a_rate_of_eight_but_are_too_slow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cine = read_cine(file(tmp_path, filling(rate=7.5)))
    assert cine.frame_rate == pytest.approx(7.5)
    assert not frame_counting_possible(cine)
    assert "frames cannot be counted" in caplog.text


@pytest.mark.parametrize(("rate", "possible"), [(10.0, False), (12.5, True), (15.0, True), (30.0, True)])
def test_frames_are_counted_from_twelve_and_a_half_a_second_on(rate: float, possible: bool) -> None:
    assert frame_counting_possible(filling(rate=rate)) is possible


def test_a_display_rate_never_makes_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_cine(file(tmp_path, RecommendedDisplayFrameRate=30)).frame_rate == pytest.approx(15.0)
    assert "meant to be shown at 30" in caplog.text
    assert "FrameTime (0018,1063) is missing" in refusal(file(tmp_path, FrameTime=None, CineRate=None))


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"FrameTime": "0"}, "FrameTime (0018,1063) says that the frames' times do not increase"),
        ({"FrameTime": "-66.7"}, "do not increase"),
        ({"FrameTime": "1", "CineRate": None}, "has frames that are not 2 to 2000 ms apart"),
        ({"FrameTime": "33.3"}, "CineRate (0018,0040) (15 frames/s) contradicts FrameTime (0018,1063) (30 frames/s)"),
        ({"FrameTime": "60"}, "contradicts"),
        ({"FrameTime": "nan"}, "FrameTime (0018,1063) is not a finite number"),
        ({"FrameTime": ["66", "67"]}, "FrameTime (0018,1063) has not the 1 values"),
        ({"FrameTimeVector": ["66"] * 7}, "FrameTimeVector (0018,1065) has not one value for each frame"),
        ({"FrameTimeVector": ["40"] * 8}, "FrameTimeVector (0018,1065) contradicts FrameTime (0018,1063)"),
        ({"FrameTimeVector": ["0", "66", "0", *["79"] * 5]}, "do not increase"),
        ({"CineRate": "500000"}, "CineRate (0018,0040) is not between 1 and 500 frames/s"),
        ({"FrameIncrementPointer": 0x00182001}, "FrameIncrementPointer (0028,0009) points neither"),
    ],
)
def test_times_that_are_missing_or_contradict_each_other(tmp_path: Path, elements: Any, sentence: str) -> None:
    assert sentence in refusal(file(tmp_path, **elements))


# Geometry


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"PositionerPrimaryAngle": None}, "PositionerPrimaryAngle (0018,1510) is missing; export the original"),
        ({"PositionerSecondaryAngle": ""}, "PositionerSecondaryAngle (0018,1511) is missing"),
        ({"PositionerPrimaryAngle": "181"}, "(0018,1510) is not between -180 and 180 degrees"),
        ({"PositionerSecondaryAngle": "-91"}, "(0018,1511) is not between -90 and 90 degrees"),
        ({"PositionerPrimaryAngle": "inf"}, "(0018,1510) is not a finite number"),
        ({"DistanceSourceToDetector": "110"}, "DistanceSourceToDetector (0018,1110) is not between 500 and 2000 mm"),
        ({"DistanceSourceToPatient": "0.76"}, "DistanceSourceToPatient (0018,1111) is not between 300 and 1500 mm"),
        (
            {"DistanceSourceToPatient": "1200"},
            "(1200 mm) is not less than DistanceSourceToDetector (0018,1110) (1100 ",
        ),
        (
            {"DistanceSourceToPatient": "820"},
            "EstimatedRadiographicMagnificationFactor (0018,1114) (1.45) is not the ratio of the distances to detector "
            "and patient (1.34)",
        ),
        ({"DistanceSourceToDetector": "1180"}, "is not the ratio"),
        ({"EstimatedRadiographicMagnificationFactor": "1.6"}, "is not the ratio"),
        ({"EstimatedRadiographicMagnificationFactor": "0"}, "is not between 1 and 4"),
        (
            {"DistanceSourceToPatient": None, "EstimatedRadiographicMagnificationFactor": None},
            "DistanceSourceToPatient (0018,1111) is missing",
        ),
        (
            {"DistanceSourceToDetector": None, "EstimatedRadiographicMagnificationFactor": None},
            "DistanceSourceToDetector (0018,1110) is missing",
        ),
        ({"ImagerPixelSpacing": None}, "ImagerPixelSpacing (0018,1164) is missing"),
        ({"ImagerPixelSpacing": None, "PixelSpacing": ["0.17", "0.17"]}, "ImagerPixelSpacing (0018,1164) is missing"),
        ({"ImagerPixelSpacing": ["0.25"]}, "ImagerPixelSpacing (0018,1164) has not the 2 values"),
        ({"ImagerPixelSpacing": ["0.25", "0.29"]}, "says that pixels are 0.25 mm high and 0.29 mm wide"),
        ({"ImagerPixelSpacing": ["250", "250"]}, "is not between 0.02 and 2 mm"),
        ({"PixelSpacing": ["0.21", "0.21"]}, "PixelSpacing (0028,0030) fits neither ImagerPixelSpacing (0018,1164)"),
        (
            {"PixelSpacing": ["0.25", "0.17"], "PixelSpacingCalibrationType": "GEOMETRY"},
            "PixelSpacing (0028,0030) fits neither",
        ),
        ({"PixelSpacing": ["0.4", "0.4"], "PixelSpacingCalibrationType": "FIDUCIAL"}, "fits neither"),
        ({"PositionerMotion": "DYNAMIC"}, "PositionerMotion (0018,1500) says that the C-arm turned during the run"),
        (
            {"PositionerMotion": "DYNAMIC", "PositionerPrimaryAngleIncrement": "1.5"},
            "PositionerPrimaryAngleIncrement (0018,1520) says that the C-arm turned during the run; a rotational run",
        ),
        (
            {"PositionerSecondaryAngleIncrement": [str(0.5 * k) for k in range(8)]},
            "PositionerSecondaryAngleIncrement (0018,1521) says that the C-arm turned",
        ),
        ({"PositionerPrimaryAngleIncrement": ["0", "0"]}, "has neither one value nor one a frame"),
        ({"PositionerPrimaryAngleIncrement": ["-160"] * 8}, "leads out of -180 to 180 degrees"),
        ({"DetectorPrimaryAngle": "10"}, "DetectorPrimaryAngle (0018,1530) says that the beam meets the detector"),
        (
            {"PatientOrientation": ["R", "F"]},
            "PatientOrientation (0020,0020) says that the image is mirrored or",
        ),
        ({"PatientOrientation": ["L", "H"]}, "mirrored or turned"),
    ],
)
def test_geometry_that_is_missing_or_contradicts_itself(tmp_path: Path, elements: Any, sentence: str) -> None:
    assert sentence in refusal(file(tmp_path, **elements))


def test_the_magnification_stands_in_for_one_distance(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for keyword in ("DistanceSourceToDetector", "DistanceSourceToPatient"):
        camera = read_cine(file(tmp_path, **{keyword: None})).camera
        assert f"{keyword} (0018,111" in caplog.text and "which is an estimate" in caplog.text
        assert (camera.source_detector, camera.source_isocentre) == pytest.approx((1.1, 0.76), rel=1e-14)


@pytest.mark.parametrize("spacing", [["0.25", "0.25"], ["0.1727", "0.1727"]])
def test_pixel_spacing_at_the_detector_or_in_the_patient_agrees(
    tmp_path: Path, spacing: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert read_cine(file(tmp_path, PixelSpacing=spacing)).camera == view()
    assert not caplog.records


def test_a_catheters_calibration_is_told_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = file(tmp_path, PixelSpacing=["0.19", "0.19"], PixelSpacingCalibrationType="FIDUCIAL")
    assert read_cine(path).camera == view()
    assert "differs from the geometry by 10 %" in caplog.text


def test_absolute_angles_may_stand_in_the_increments(tmp_path: Path) -> None:
    path = file(tmp_path, PositionerPrimaryAngle="0", PositionerPrimaryAngleIncrement=["-30"] * 8)
    assert read_cine(path).camera == view()


@pytest.mark.parametrize("orientation", [["L", "F"], ["LA", "FP"], ["", "F"], ["A", "F"]])
def test_an_orientation_that_suits_the_angles_is_accepted(tmp_path: Path, orientation: list[str]) -> None:
    assert read_cine(file(tmp_path, PatientOrientation=orientation)).camera == view()


def test_a_table_that_moved_is_told_in_enhanced_xa(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = edited(enhanced(tmp_path), 7, "TablePositionSequence", "TableTopLateralPosition", "925")
    assert read_cine(path).camera == view()
    assert "the table moved during the run" in caplog.text


def test_a_table_that_moved_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_cine(file(tmp_path, TableMotion="DYNAMIC", TableLateralIncrement=["0", *["20"] * 7]))
    assert "the table moved during the run" in caplog.text


# Frames


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"SamplesPerPixel": 3}, "SamplesPerPixel (0028,0002) says that the image is in colour; give the original XA"),
        (
            {"PhotometricInterpretation": "YBR_FULL"},
            "PhotometricInterpretation (0028,0004) does not say shades of grey",
        ),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "does not say shades of grey"),
        ({"NumberOfFrames": 1}, "NumberOfFrames (0028,0008) says that there is one frame; give the cine"),
        ({"NumberOfFrames": None}, "says that there is one frame"),
        ({"NumberOfFrames": 7}, "PixelData (7FE0,0010) is longer or shorter than the frames need"),
        ({"NumberOfFrames": 2**30}, "NumberOfFrames (0028,0008) is not between 1 and 20000"),
        ({"Rows": 63}, "is longer or shorter"),
        ({"Rows": 48, "Columns": 64}, "Rows (0028,0010) and Columns (0028,0011) are swapped"),
        ({"Rows": None}, "Rows (0028,0010) is missing"),
        ({"Columns": 0}, "Columns (0028,0011) is not between 16 and 8192"),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, "is longer or shorter"),
        ({"BitsAllocated": 32}, "BitsAllocated (0028,0100) is neither 8 nor 16"),
        ({"BitsStored": 10, "HighBit": 9}, "BitsStored (0028,0101) is too small for the pixels"),
        ({"HighBit": 15}, "HighBit (0028,0102) is not one less than BitsStored (0028,0101)"),
        ({"PixelRepresentation": 1}, "PixelRepresentation (0028,0103) says that pixels are signed"),
        ({"PixelData": None}, "PixelData (7FE0,0010) is missing, or the file is cut short"),
        ({"RescaleSlope": None}, "RescaleSlope (0028,1053) is missing"),
        ({"RescaleSlope": "-1"}, "RescaleSlope (0028,1053) is not positive"),
        ({"InConcatenationTotalNumber": 3}, "says that this is a part of a cine; join the parts"),
    ],
)
def test_frames_that_are_no_cine(tmp_path: Path, elements: Any, sentence: str) -> None:
    assert sentence in refusal(file(tmp_path, **elements))


def test_a_single_frame_is_read_where_geometry_is_all_that_is_needed(tmp_path: Path) -> None:
    cine = filling(frames=1)
    path = file(tmp_path, cine)
    assert "one frame" in refusal(path)
    found = read_cine(path, frames_needed=False)
    assert alike(found, cine)
    assert not frame_counting_possible(found)


def test_contrast_is_dark_whatever_way_the_file_stores_it(tmp_path: Path) -> None:
    cine = filling()
    upside_down = replace(cine, frames=4095 - cine.frames)
    for elements in ({"PhotometricInterpretation": "MONOCHROME1"}, {"PixelIntensityRelationshipSign": -1}):
        assert np.array_equal(read_cine(file(tmp_path, upside_down, **elements)).frames, cine.frames)
    both = {"PhotometricInterpretation": "MONOCHROME1", "PixelIntensityRelationshipSign": 1}
    assert np.array_equal(read_cine(file(tmp_path, cine, **both)).frames, cine.frames)


@pytest.mark.parametrize("relation", [None, "DISP", "SQRT"])
def test_a_brightness_of_no_known_law_is_told(
    tmp_path: Path, relation: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert alike(read_cine(file(tmp_path, PixelIntensityRelationship=relation)), filling())
    assert "neither LIN nor LOG" in caplog.text


def test_a_blank_border_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cine = filling()
    assert not caplog.records
    cine.frames[:, :, :5] = 0
    cine.frames[:, 58:, :] = 0
    read_cine(file(tmp_path, cine))
    assert "blank border (6 pixels at the bottom, 5 pixels at the left)" in caplog.text


def test_words_on_the_frames_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_cine(file(tmp_path, BurnedInAnnotation="YES"))
    assert "has words on its frames, which may name the patient" in caplog.text


# Kinds of file


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("1.2.840.10008.5.1.4.1.1.12.3", "is of the retired class X-Ray Angiographic Bi-Plane Image, which mixes two"),
        ("1.2.840.10008.5.1.4.1.1.7", "is a screenshot (Secondary Capture Image), which has no geometry"),
        ("1.2.840.10008.5.1.4.1.1.7.3", "is a screenshot (Multi-frame Grayscale Word Secondary Capture Image)"),
        ("1.2.840.10008.5.1.4.1.1.2", "is a DICOM file, but no XA cine: CT Image; give the XA cine"),
        ("1.2.840.10008.5.1.4.1.1.12.2", "no XA cine: X-Ray Radiofluoroscopic Image"),
        ("1.2.840.10008.5.1.4.1.1.13.1.1", "no XA cine: X-Ray 3D Angiographic Image"),
        ("1.2.77.4", "no XA cine: of no known kind"),
    ],
)
def test_other_kinds_of_file_are_refused_by_name(tmp_path: Path, kind: str, sentence: str) -> None:
    assert sentence in refusal(file(tmp_path, SOPClassUID=kind))


def test_no_file_a_folder_and_no_dicom_file_are_refused(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "none.dcm")
    assert "cannot be read" in refusal(tmp_path)
    (tmp_path / "empty.dcm").touch()
    assert "is no DICOM file" in refusal(tmp_path / "empty.dcm")
    (tmp_path / "text.dcm").write_text("view " * 100)
    assert "is no DICOM file" in refusal(tmp_path / "text.dcm")


# Enhanced XA


def edited(path: Path, frame: int, group: str, keyword: str, value: Any) -> Path:
    with disable_value_validation():
        dataset = pydicom.dcmread(path)
        item = dataset.PerFrameFunctionalGroupsSequence[frame][group][0]
        if value is None:
            del item[keyword]
        else:
            setattr(item, keyword, value)
        dataset.save_as(path)
    return path


def test_enhanced_xa_is_read_from_its_functional_groups(tmp_path: Path) -> None:
    found = read_cine(enhanced(tmp_path))
    assert found.camera == view()
    assert found.times == pytest.approx(np.arange(8) / 16.0, abs=1e-9)
    assert found.logarithmic
    assert np.array_equal(found.frames, filling().frames)


@pytest.mark.parametrize(
    ("group", "keyword", "value", "sentence"),
    [
        (
            "PositionerPositionSequence",
            "PositionerPrimaryAngle",
            "-28",
            "(0018,1510) changes from frame to frame",
        ),
        ("PositionerPositionSequence", "PositionerSecondaryAngle", None, "(0018,1511) is missing in some frames"),
        ("FrameContentSequence", "FrameReferenceDateTime", "19370321235959.500000", "times do not increase"),
        ("FrameContentSequence", "FrameReferenceDateTime", "ZQX", "(0018,9151) is not a date and time"),
    ],
)
def test_enhanced_xa_whose_frames_differ_is_refused(
    tmp_path: Path, group: str, keyword: str, value: Any, sentence: str
) -> None:
    assert sentence in refusal(edited(enhanced(tmp_path), 3, group, keyword, value))


def test_enhanced_xa_with_fewer_groups_than_frames_is_refused(tmp_path: Path) -> None:
    path = enhanced(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:7]
    dataset.save_as(path)
    assert "is not how many items PerFrameFunctionalGroupsSequence (5200,9230) has" in refusal(path)


# Views together


def test_the_tables_way_between_views_becomes_their_shift(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = []
    for number, (primary, shift) in enumerate([(-30.0, (0.5, 0.1, -0.9)), (30.0, (0.52, 0.13, -0.94))]):
        write_cine(tmp_path / f"{number}.dcm", filling(view(primary, shift=shift)))
        paths.append(tmp_path / f"{number}.dcm")
    assert read_cine(paths[1]).camera.shift == (0.0, 0.0, 0.0)
    found = read_views(paths)
    assert found[0].camera.shift == (0.0, 0.0, 0.0)
    assert found[1].camera.shift == pytest.approx((0.02, 0.03, -0.04), abs=1e-12)
    changed(paths[0], TableTopVerticalPosition=None)
    assert read_views(paths)[1].camera.shift == (0.0, 0.0, 0.0)
    assert "it is taken not to have moved" in caplog.text


def test_one_view_given_twice_is_refused(tmp_path: Path) -> None:
    cine = filling()
    with pytest.raises(InputError, match=r"Views 1 and 3 are the same view \(0\.0 degrees apart\); give views"):
        check_views([cine, filling(view(30.0)), cine])
    with pytest.raises(InputError, match=r"same view \(3\.\d degrees apart\)"):
        check_views([cine, filling(view(-33.5, 25.0))])
    with pytest.raises(InputError, match="the same view"):
        check_views([filling(view(30.0, 0.0)), filling(view(-150.0, 0.0))])  # from the other side
    with pytest.raises(InputError, match="the same view"):
        read_views([file(tmp_path)] * 2)


def test_views_close_to_each_other_or_of_other_rates_are_told(caplog: pytest.LogCaptureFixture) -> None:
    check_views([filling(view(-30.0)), filling(view(20.0)), filling(view(-30.0, -25.0))])
    assert not caplog.records
    check_views([filling(view(0.0, 0.0)), filling(view(24.0, 0.0))])
    assert "Views 1 and 2 are 24 degrees apart, fewer than 25: depth is uncertain." in caplog.text
    check_views([filling(view(0.0, 0.0)), filling(view(40.0, 0.0), rate=30.0)])
    assert "Views 1 and 2 have 15 and 30 frames/s." in caplog.text


# Privacy


def everything(path: Path, caplog: pytest.LogCaptureFixture) -> tuple[Cine | None, str]:
    """What a reading tells: the cine, and all errors, warnings and records at every level."""
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cine, error = None, ""
        try:
            cine = read_cine(path)
        except (InputError, EnvironmentMissing) as problem:
            error = str(problem)
    return cine, " ".join([error, caplog.text, *(str(warning.message) for warning in caught)])


def test_nothing_of_the_patient_leaves_the_reader(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="")
    path = planted(file(tmp_path), [*_ELEMENTS, "PixelPaddingValue"])
    assert b"ZQXName" in path.read_bytes() and SECRETS["UI"].encode() in path.read_bytes()
    cine, text = everything(path, caplog)
    assert cine is not None and alike(cine, filling())
    assert not told(cine, text)


@pytest.mark.parametrize("keyword", [key for key in _ELEMENTS if not key.endswith("Sequence") and key != "PixelData"])
def test_words_of_the_patient_in_an_element_that_is_read_are_not_told(
    tmp_path: Path, keyword: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A name, a date, a number in its place, as damage or a careless system puts it there."""
    caplog.set_level(logging.DEBUG, logger="")
    small = filling(view(shape=(24, 16)), 3)
    for value in ("ZQXName^ZQXGiven", "19370321", "7777707", "1.2.77.1937032111"):
        path = file(tmp_path, small, **{keyword: as_text(keyword, value)})
        cine, text = everything(path, caplog)
        assert not told(cine, text), (value, text)


def test_a_text_where_a_number_is_stored_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="")
    path = file(tmp_path)
    data = path.read_bytes()
    for keyword in (
        "PositionerPrimaryAngle",
        "DistanceSourceToDetector",
        "ImagerPixelSpacing",
        "FrameTime",
        "CineRate",
    ):
        tag = tag_for_keyword(keyword)
        head = data.index(bytes([tag >> 16 & 0xFF, tag >> 24, tag & 0xFF, tag >> 8 & 0xFF]))
        length = int.from_bytes(data[head + 6 : head + 8], "little")
        path.write_bytes(data[: head + 8] + b"ZQX19370321ZQX111317"[:length] + data[head + 8 + min(length, 20) :])
        cine, text = everything(path, caplog)
        assert cine is None and "19370321" not in text.removeprefix(str(path)) and not told(None, text)
