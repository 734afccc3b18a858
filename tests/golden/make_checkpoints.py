#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints as PyTorch writes them, for the tests of `mloptimizer model import` and its fuzz targets.

    make_checkpoints.py     run after make_golden.py, whose weights these are; PyTorch 1.13 (python3-torch on Debian 12)

bitrate_predictor.pt     state_dict of the network in predictor.safetensors
quality_optimizer.pt     model_state_dict (as optimizer.safetensors), target_model_state_dict, epsilon
layouts.pt               tensors of every layout and type a state_dict may have; layouts.safetensors: what they hold
protocol4.pt             the same as layouts.pt with another pickle protocol
legacy.pt module.pt evil.pt long.pt     what must be refused: the format before 1.6, a pickled module, one that calls
                         os.system, integers
"""
import collections
import os
import sys
import zipfile

import torch
from torch import nn

import make_golden

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "fuzz", "corpus")


def here(name):
    return os.path.join(HERE, name)


def predictor():
    tensors, _ = make_golden.load(here("predictor.safetensors"))
    net = make_golden.Predictor(tensors["lstm.weight_hh_l0"].shape[1], 1)
    net.load_state_dict(tensors)
    return net


def optimizer():
    net, target = make_golden.optimizer(), make_golden.optimizer()
    tensors, _ = make_golden.load(here("optimizer.safetensors"))
    net.load_state_dict(tensors)
    # the target network lags behind
    target.load_state_dict({name: 0.9 * t for name, t in tensors.items()})
    return {"model_state_dict": net.state_dict(), "target_model_state_dict": target.state_dict(), "epsilon": 0.05}


def layouts():
    block = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) - 7.25
    d = collections.OrderedDict()
    d["plain"] = block[0].clone()
    d["whole"] = block
    d["transposed"] = block.permute(2, 0, 1)
    d["offset"] = block[1, 1:]
    d["column"] = block[:, :, 2]
    d["every second"] = block.reshape(-1)[1::2]
    d["expanded"] = block[0, 0, :1].expand(3, 5)
    d["scalar"] = block[1, 2, 3]
    d["empty"] = torch.zeros(3, 0, 2)
    d["double"] = torch.tensor([0.1, -1e-3, 3e38], dtype=torch.float64)
    d["half"] = torch.tensor([0.1, -65504, 6e-8], dtype=torch.float16)
    d["bfloat16"] = torch.tensor([0.1, -1e30], dtype=torch.bfloat16)
    d["\u00e9 \"quoted\"\n"] = torch.ones(2)
    return d


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


def small():
    d = collections.OrderedDict()
    d["a"] = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).t()
    d["b"] = torch.tensor([0.5], dtype=torch.float16)
    return {"model_state_dict": d, "epsilon": 0.25, "step": 70000, "more": [True, None, (1, -2), {3: "x"}]}


def corpus():
    """Small ones: the fuzzer takes them apart itself."""
    for folder in "pickle", "checkpoint":
        os.makedirs(os.path.join(CORPUS, folder), exist_ok=True)
    for name, value, protocol in ("small", small(), 2), ("small4", small(), 4), ("evil", {"a": Evil()}, 2):
        path = os.path.join(CORPUS, "checkpoint", name + ".pt")
        torch.save(value, path, pickle_protocol=protocol)
        with zipfile.ZipFile(path) as z, open(os.path.join(CORPUS, "pickle", name + ".pkl"), "wb") as f:
            f.write(z.read(name + "/data.pkl"))
    with zipfile.ZipFile(here("layouts.pt")) as z, open(os.path.join(CORPUS, "pickle", "layouts.pkl"), "wb") as f:
        f.write(z.read("layouts/data.pkl"))
    # unpacked by libarchive, not only copied
    with zipfile.ZipFile(os.path.join(CORPUS, "checkpoint", "small.pt")) as z, \
            zipfile.ZipFile(os.path.join(CORPUS, "checkpoint", "deflated.pt"), "w", zipfile.ZIP_DEFLATED) as out:
        for name in z.namelist():
            out.writestr(zipfile.ZipInfo(name), z.read(name), zipfile.ZIP_DEFLATED)


def main():
    torch.save(predictor().state_dict(), here("bitrate_predictor.pt"))
    torch.save(optimizer(), here("quality_optimizer.pt"))
    d = layouts()
    torch.save(d, here("layouts.pt"))
    torch.save(d, here("protocol4.pt"), pickle_protocol=4)
    make_golden.save(here("layouts.safetensors"), {name: t.float() for name, t in d.items()})
    torch.save({"w": torch.ones(2)}, here("legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save(nn.Linear(2, 1), here("module.pt"))
    torch.save({"w": torch.ones(2), "x": Evil()}, here("evil.pt"))
    torch.save({"w": torch.ones(2).long()}, here("long.pt"))
    corpus()


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
