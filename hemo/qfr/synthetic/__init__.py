"""Virtual angiography: cines of vessels that are known exactly, and the files an angiography system would write."""
