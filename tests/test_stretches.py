"""Flow along the vessels and out of them."""

import numpy as np

from hemo.geometry.synthetic.vessels import left_coronary
from hemo.stretches import flow_between_points, sink_flows


def test_what_leaves_is_found_from_the_flow_along_the_vessels():
    tree = left_coronary(0.6).tree
    last = len(tree["LCX"].points) - 1
    leaks = [("LAD", 10), ("LAD", 30), ("LCX", 5), ("LCX", last)]
    rng = np.random.default_rng(0)
    sinks = rng.uniform(0.1e-6, 2e-6, len(tree.outlets) + len(leaks))
    between = flow_between_points(tree, sinks, leaks)
    found = sink_flows(tree, {k: np.concatenate([q[:1], q]) for k, q in between.items()}, leaks)
    again = flow_between_points(tree, found, leaks)
    for name, flow in between.items():
        np.testing.assert_allclose(again[name], flow, rtol=1e-9)
    together = [tree.outlets.index("LCX"), len(sinks) - 1]
    alone = [i for i in range(len(sinks)) if i not in together]
    np.testing.assert_allclose(found[alone], sinks[alone], rtol=1e-9)
    np.testing.assert_allclose(found[together], sinks[together].mean(), rtol=1e-9)
