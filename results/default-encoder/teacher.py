"""Writes MobileNetV2 as a list of operations and their weights for distill.py.

teacher.py mobilenetv2-features.onnx
"""

import json
import sys

import numpy as np
import onnx
from onnx import numpy_helper as nh

m = onnx.load(sys.argv[1])
ini = {i.name: nh.to_array(i) for i in m.graph.initializer}
plan = []
keep = {}
for n in m.graph.node:
    at = {x.name: onnx.helper.get_attribute_value(x) for x in n.attribute}
    op = dict(t=n.op_type, i=list(n.input), o=n.output[0])
    if n.op_type == "Conv":
        op.update(
            s=list(at.get("strides", [1, 1])), p=list(at.get("pads", [0] * 4))[:2], g=at.get("group", 1)
        )
        assert at["pads"][:2] == at["pads"][2:]
        for k in n.input[1:]:
            keep[k] = ini[k]
    elif n.op_type in ("GlobalAveragePool", "Flatten"):
        continue
    plan.append(op)
np.savez(
    "teacher.npz",
    plan=np.frombuffer(json.dumps(plan).encode(), np.uint8),
    **{k: v.astype("float16") for k, v in keep.items()},
)
print(len(plan), {k: v.shape for k, v in list(keep.items())[:3]}, [p for p in plan if p["t"] == "Clip"][:1])
