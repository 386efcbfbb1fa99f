"""The lumen as a closed surface: read, made from labels, checked, measured."""
