"""Pressure-wire traces: aortic and distal coronary pressure over time, and the indices read from them."""
