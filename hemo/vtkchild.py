"""The program that reads a VTP or legacy VTK file for :mod:`hemo.vtkio`: ``python -m hemo.vtkchild FILE OUT.npz``.

vtk ends the whole process on some damaged files; here that ends this process only. Exit code 1: the reader
reported an error.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# A damaged count makes vtk ask for any amount of memory: at most this much, or so many times the file.
_MEMORY = 8 << 30
_MEMORY_SHARE = 100


def read(path: Path) -> dict[str, Array] | None:
    """Points, cells and data of a file as arrays; None if vtk reports an error."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkLogger
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    reader: Any = vtkXMLPolyDataReader() if path.suffix.lower() == ".vtp" else vtkPolyDataReader()
    messages: list[str] = []
    reader.AddObserver("ErrorEvent", lambda *_: messages.append("error"))
    reader.SetFileName(str(path))
    reader.Update()
    output = reader.GetOutput()
    if messages or output is None:
        return None
    points = vtk_to_numpy(output.GetPoints().GetData()) if output.GetNumberOfPoints() else np.zeros((0, 3))
    arrays = {"points": points, "verts": np.array(output.GetNumberOfVerts())}
    for kind, cells in (("lines", output.GetLines()), ("polys", output.GetPolys()), ("strips", output.GetStrips())):
        some = cells is not None and cells.GetNumberOfCells() > 0
        arrays[kind] = vtk_to_numpy(cells.GetConnectivityArray()) if some else np.zeros(0, dtype=np.int64)
        arrays[f"{kind} offsets"] = vtk_to_numpy(cells.GetOffsetsArray()) if some else np.zeros(0, dtype=np.int64)
    for kind, data in (("point", output.GetPointData()), ("cell", output.GetCellData())):
        found = (data.GetArray(i) for i in range(data.GetNumberOfArrays()))
        arrays |= {f"{kind} {array.GetName()}": vtk_to_numpy(array) for array in found if array is not None}
    return arrays


def main() -> int:
    """Read the file named first, write the arrays to the one named second."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    most = max(_MEMORY, _MEMORY_SHARE * source.stat().st_size)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    arrays = read(source)
    if arrays is None:
        return 1
    np.savez(target, **arrays)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
