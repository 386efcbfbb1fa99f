"""The quantitative flow ratio from angiographic views: cines, contours, the vessel in space, flow, and pressure."""
