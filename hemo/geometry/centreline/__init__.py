"""From a lumen to vessel trees: centrelines, bifurcations, names."""
