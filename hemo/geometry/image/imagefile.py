"""Whether a label map's file holds all it promises: one cut short or damaged is refused before it is read.

SimpleITK fills what is missing of a NIfTI file with zeros and does not notice damage in a zipped MetaImage,
so that half a file would pass for a smaller lumen; and its libraries write to stderr on their own.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

from hemo.errors import InputError
from hemo.geometry.image.niftiheader import HEADER_BYTES, check_axes, nifti_header, warn_of_orientation

# Formats that keep the voxels' place in the patient.
_NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_METAIMAGE = (".mha", ".mhd")
_NRRD = (".nrrd", ".nhdr")

_BLOCK = 1 << 20  # bytes
_ZLIB_OR_GZIP = 47  # zlib's window bits for either header
# Numbers of a MetaImage's header, in whose place ITK takes 0 where they are none.
_NUMBERS = {
    "Offset",
    "Position",
    "Origin",
    "ElementSpacing",
    "ElementSize",
    "TransformMatrix",
    "Rotation",
    "Orientation",
}
_ELEMENT_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def check_complete(path: Path) -> None:
    """Refuse a file that is no NIfTI, NRRD or MetaImage, or whose voxels are cut short or fail their checksum.

    Raises
    ------
    InputError
        Naming the file.
    """
    name = path.name.lower()
    if not name.endswith((*_NIFTI, *_METAIMAGE, *_NRRD)):
        raise InputError(
            f"{path}: a label map is NIfTI, NRRD, MetaImage (.nii.gz, .nrrd, .mha) or a DICOM segmentation; "
            f"convert it first."
        )
    try:
        if name.endswith(_NIFTI):
            _check_nifti(path)
        elif name.endswith(_METAIMAGE):
            _check_metaimage(path)
        else:
            _check_nrrd(path)
    except (EOFError, OSError, zlib.error, struct.error, ValueError, KeyError, OverflowError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the file and your rights.") from error
        raise InputError(f"{path}: cannot be read: it is cut short or damaged; copy or export it again.") from error


def _size(path: Path, keep: int = 0) -> tuple[int, bytes]:
    """Length of a file, unzipped and its checksum proved if its name ends in .gz, and its first bytes."""
    with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        first = stream.read(keep)
        size = len(first)
        while block := stream.read(_BLOCK):
            size += len(block)
    return size, first


def _check_nifti(path: Path) -> None:
    """A header (NIfTI-1, NIfTI-2, or Analyze, whose fields are NIfTI-1's) and the voxels it announces."""
    header, voxels = _nifti_files(path)
    if not (header.is_file() and voxels.is_file()):
        raise InputError(f"{path}: {header.name} and {voxels.name} belong together, and one is missing.")
    size, first = _size(header, HEADER_BYTES)
    promised = nifti_header(first)
    if voxels != header:
        size, _ = _size(voxels)
    if size < promised.offset + promised.voxel_bytes():
        raise EOFError
    check_axes(promised, str(path))


def _nifti_files(path: Path) -> tuple[Path, Path]:
    """The file of the header and that of the voxels: one for .nii, two for .hdr with .img."""
    zipped = ".gz" if path.name.lower().endswith(".gz") else ""
    stem = path.name[: len(path.name) - len(zipped)]
    if stem.lower().endswith(".nii"):
        return path, path
    return path.with_name(f"{stem[:-4]}.hdr{zipped}"), path.with_name(f"{stem[:-4]}.img{zipped}")


def _check_metaimage(path: Path) -> None:
    """The voxels of a MetaImage, in the file or beside it; a file for each slice is left to SimpleITK."""
    fields = {}
    with path.open("rb") as stream:
        for line in stream:
            key, _, value = line.decode("latin-1").partition("=")
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                break
        start = stream.tell()
    for key in fields.keys() & _NUMBERS:
        if not all(math.isfinite(float(number)) for number in fields[key].split()):
            raise InputError(
                f"{path}: its place in the patient ({key}) is not a number; export the segmentation again."
            )
    voxels = path if fields["ElementDataFile"].upper() == "LOCAL" else path.parent / fields["ElementDataFile"]
    if not voxels.is_file():
        return
    size = voxels.stat().st_size - (start if voxels == path else 0)
    if fields.get("CompressedData", "").lower() == "true":
        size = _inflated_size(voxels, start if voxels == path else 0)
    element = fields["ElementType"].removeprefix("MET_").removeprefix("U")
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    if size < math.prod(int(count) for count in fields["DimSize"].split()) * channels * _ELEMENT_BYTES.get(element, 1):
        raise EOFError


def _inflated_size(path: Path, start: int) -> int:
    """Length of what a zlib stream holds that begins at byte ``start`` of a file; its checksum is proved."""
    inflater, size = zlib.decompressobj(_ZLIB_OR_GZIP), 0
    with path.open("rb") as stream:
        stream.seek(start)
        while block := stream.read(_BLOCK):
            size += len(inflater.decompress(block))
    if not inflater.eof:
        raise EOFError
    return size


def _check_nrrd(path: Path) -> None:
    """The zipped voxels of an NRRD file, or those that a detached header names; SimpleITK tells a short plain one."""
    fields = {}
    with path.open("rb") as stream:
        if not stream.readline().startswith(b"NRRD"):
            raise ValueError("no NRRD header")
        for line in stream:
            key, _, value = line.decode("latin-1").strip().partition(":")
            if not key:
                break
            fields[key.lower().replace(" ", "")] = value.strip()
        start = stream.tell()
    units = set(fields.get("spaceunits", "").replace('"', " ").lower().split()) - {"", "mm", "millimeter", "millimetre"}
    if units:
        raise InputError(f"{path}: its space units are {', '.join(sorted(units))}; write the spacing in mm.")
    if not fields.keys() & {"space", "spacedimension"}:
        warn_of_orientation(str(path))
    if fields.get("encoding", "").lower() not in ("gzip", "gz") or fields.keys() & {"lineskip", "byteskip"}:
        return
    voxels = path.parent / fields["datafile"] if "datafile" in fields else path
    if voxels.is_file():
        _inflated_size(voxels, start if voxels == path else 0)
