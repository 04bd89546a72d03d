"""Fits the energy scale of each detector module: analysis.py EVENTS CALIBRATION RESULT

EVENTS       pairs of unsigned 16-bit numbers, module and raw energy, as many as there are
CALIBRATION  CSV with a header: run, module, scale
RESULT       JSON: per module the number of events, the mean and the width of its calibrated energy
"""

import json
import sys

import numpy

events, calibration, result = sys.argv[1:]
data = numpy.fromfile(events, dtype="<u2").reshape(-1, 2)
scales = numpy.loadtxt(calibration, delimiter=",", skiprows=1)
modules = 40
scale = numpy.array([scales[scales[:, 1] == module, 2].mean() for module in range(modules)])
module = data[:, 0] % modules
energy = data[:, 1] * scale[module]

# Normal equations of mean = a + b * scale, by the BLAS that picks its kernels by CPU.
design = numpy.stack([numpy.ones(len(energy)), scale[module]], axis=1)
slope = numpy.linalg.solve(design.T @ design, design.T @ energy)

count = numpy.bincount(module, minlength=modules)
mean = numpy.bincount(module, energy, modules) / count
width = numpy.sqrt(numpy.bincount(module, (energy - mean[module]) ** 2, modules) / count)
table = [
    {
        "module": each,
        "events": int(count[each]),
        "mean": round(float(mean[each]), 3),
        "width": round(float(width[each]), 3),
    }
    for each in range(modules)
]
with open(result, "w") as file:
    json.dump(
        {"events": len(energy), "offset": float(slope[0]), "slope": float(slope[1]), "modules": table},
        file,
        indent=1,
    )
print(f"{len(energy)} events in {modules} modules, energy = {slope[0]:.1f} + {slope[1]:.1f} * scale")
