"""Angiograms made by calculation, with the truth about them: the instrument that QFR is tested with."""
