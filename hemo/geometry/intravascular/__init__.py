"""What an intravascular pullback shows: outlines read and refused, measured, registered, and placed as a vessel."""
