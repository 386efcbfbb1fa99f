"""A lumen known by formula, as voxels of an oblique grid, and DICOM files of it written by highdicom."""

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

# Orthogonal and exact in single precision up to 1e-8: a rotation by (3, 4, 5) round z, one by (5, 12, 13) round x.
OBLIQUE = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]]) @ np.array(
    [[1.0, 0.0, 0.0], [0.0, 5 / 13, -12 / 13], [0.0, 12 / 13, 5 / 13]]
)
SPACING = np.array([0.375, 0.5, 0.75])  # mm
ORIGIN = np.array([-3.5, 2.25, -1.5])
SHAPE = (26, 41, 53)  # z, y, x: rows of no whole number of bytes
SECRETS = {
    "PatientName": "Doe^Jane",
    "PatientID": "ID-4711",
    "PatientBirthDate": "19500102",
    "StudyDate": "20200304",
    "AccessionNumber": "ACC-99",
}


def places(shape=SHAPE, spacing=SPACING, origin=ORIGIN, direction=OBLIQUE):
    """(nz, ny, nx, 3) voxel centres in LPS mm."""
    index = np.moveaxis(np.indices(shape)[::-1], 0, -1)
    return origin + (index * spacing) @ np.asarray(direction).T


def lumen_at(points):
    """1 in the aorta, 2 and 3 in a left and a right vessel, at LPS mm (..., 3); else 0."""
    u = (points - ORIGIN) @ OBLIQUE  # mm along the axes of OBLIQUE
    values = np.zeros(points.shape[:-1], dtype=np.uint8)
    values[(np.hypot(u[..., 1] - 10, u[..., 2] - 6) < 1.4) & (u[..., 0] > 9) & (u[..., 0] < 19)] = 2
    values[(np.hypot(u[..., 1] - 10, u[..., 2] - 12) < 1.6) & (u[..., 0] > 9) & (u[..., 0] < 18)] = 3
    values[(np.hypot(u[..., 0] - 6, u[..., 1] - 10) < 5) & (u[..., 2] > 2) & (u[..., 2] < 17)] = 1
    return values


def ct_series(shape=SHAPE, spacing=SPACING, origin=ORIGIN, direction=OBLIQUE):
    """The CT that was segmented, without pixels, of a patient who has a name."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    slices = []
    for k in range(shape[0]):
        ct = Dataset()
        ct.file_meta = FileMetaDataset()
        ct.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ct.file_meta.MediaStorageSOPClassUID = ct.SOPClassUID = CTImageStorage
        ct.file_meta.MediaStorageSOPInstanceUID = ct.SOPInstanceUID = generate_uid()
        ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.FrameOfReferenceUID = study, series, frame
        for key, value in SECRETS.items():
            setattr(ct, key, value)
        ct.PatientSex, ct.StudyTime, ct.ReferringPhysicianName, ct.StudyID = "F", "101010", "", "1"
        ct.Modality, ct.InstanceNumber = "CT", k + 1
        ct.Rows, ct.Columns = shape[1:]
        ct.PixelSpacing, ct.SliceThickness = [float(spacing[1]), float(spacing[0])], float(spacing[2])
        ct.ImageOrientationPatient = [*direction[:, 0], *direction[:, 1]]
        ct.ImagePositionPatient = list(origin + k * spacing[2] * direction[:, 2])
        ct.SamplesPerPixel, ct.PhotometricInterpretation = 1, "MONOCHROME2"
        ct.BitsAllocated = ct.BitsStored = 16
        ct.HighBit, ct.PixelRepresentation, ct.PixelData = 15, 1, b""
        slices.append(ct)
    return slices


def segmentation(values, kind="BINARY", names=("Aorta", "LCA", "RCA"), source=None, **options):
    """A SEG of the segments 1, 2, 3 of a volume (nz, ny, nx), or of fractions (nz, ny, nx, segments)."""
    source = source or ct_series(values.shape[:3])
    artery = codes.SCT.Artery
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Aorta if name == "Aorta" else artery,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            anatomic_regions=None if name == "Aorta" else [hd.sr.CodedConcept("41801008", "SCT", "Coronary artery")],
        )
        for number, name in enumerate(names, start=1)
    ]
    if kind != "LABELMAP" and values.ndim == 3:
        values = np.stack([values == segment.segment_number for segment in segments], axis=-1)
        values = values.astype(np.uint8 if kind == "BINARY" else np.float64)
    return hd.seg.Segmentation(
        source_images=source,
        pixel_array=values,
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="hemo",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
