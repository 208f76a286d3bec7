"""Runs a network that pleach exported, in PyTorch: its layer graph (.json), its tensors (.safetensors), its input.

    python network.py GRAPH.json WEIGHTS.safetensors INPUT.safetensors

INPUT has `input` (N, C, H, W). Prints the tensors' names and shapes, then the logits, an image a line.
"""
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


def run(graph, tensors, image):
    values = {"input": image}
    for layer in graph["layers"]:
        name, op = layer["name"], layer["op"]
        x, *others = [values[source] for source in layer["inputs"]]
        tensor = lambda part: tensors.get(f"{name}.{part}")
        if op == "convolution":
            y = F.conv2d(x, tensor("weight"), tensor("bias"), layer["stride"], layer["padding"],
                         layer.get("dilation", 1), layer.get("groups", 1))
        elif op == "linear":
            y = F.linear(x, tensor("weight"), tensor("bias"))
        elif op == "batch-norm":
            y = F.batch_norm(x, tensor("running_mean"), tensor("running_var"), tensor("weight"), tensor("bias"),
                             eps=layer["epsilon"])
        elif op == "pad-shortcut":
            room = layer["out-channels"] - layer["in-channels"]
            before = layer.get("before", room // 2)
            y = F.pad(x[:, :, ::layer["stride"], ::layer["stride"]], (0, 0, 0, 0, before, room - before))
        elif op == "max-pool":
            y = F.max_pool2d(x, layer["kernel"], layer["stride"], layer["padding"])
        elif op == "average-pool":
            y = F.avg_pool2d(x, layer["kernel"], layer["stride"], layer["padding"])
        elif op == "adaptive-average-pool":
            y = F.adaptive_avg_pool2d(x, layer["output"])
        elif op == "global-average-pool":
            y = x.mean((2, 3))
        elif op == "add":
            y = x + others[0]
        elif op == "multiply":
            gate = others[0]
            y = x * (gate[:, :, None, None] if gate.dim() < x.dim() else gate)
        elif op == "concatenate":
            y = torch.cat([x, *others], 1)
        else:
            y = {"relu": F.relu, "relu6": F.relu6, "silu": F.silu, "hard-swish": F.hardswish, "sigmoid": torch.sigmoid,
                 "flatten": lambda x: x.flatten(1), "dropout": lambda x: x, "stochastic-depth": lambda x: x}[op](x)
        values[name] = y
    return y


def main():
    graph_path, weights_path, input_path = sys.argv[1:]
    with open(graph_path) as file:
        graph = json.load(file)
    tensors = load_file(weights_path)
    for name, tensor in sorted(tensors.items()):
        print("tensor", name, *tensor.shape)
    with torch.no_grad():
        for row in run(graph, tensors, load_file(input_path)["input"]):
            print("logits", *[repr(value) for value in row.tolist()])


main()
