"""From a lumen and a tree to tetrahedra with tagged caps."""
