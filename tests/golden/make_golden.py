#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden vectors from PyTorch (1.13 on Debian 12: python3-torch), and the way back.

    make_golden.py                        writes predictor.safetensors, optimizer.safetensors (state_dicts without
                                          metadata) and vectors.safetensors beside itself; seeded, same bytes each time
    make_golden.py --check MODEL PROBE [MODEL PROBE ...]
                                          loads MODEL, a file that our code wrote, into PyTorch's modules and compares
                                          with what our code computed from it: PROBE holds x and y. Exit status 0, or 1;
                                          77 where PyTorch is not installed
"""
import json
import os
import struct
import sys

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as e:
    print(e)
    sys.exit(77)


def save(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def load(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        assert t["dtype"] == "F32"
        tensors[name] = torch.from_numpy(np.frombuffer(data[begin:end], "<f4").copy().reshape(t["shape"]))
    return tensors, metadata


class Predictor(nn.Module):
    """As the Python implementation has it: dropout is there, and does nothing in eval mode."""

    def __init__(self, hidden, layers):
        super().__init__()
        self.lstm = nn.LSTM(10, hidden, layers, batch_first=True)
        self.fc = nn.Sequential(nn.Linear(hidden, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU(),
                                nn.Dropout(0.2), nn.Linear(32, 1), nn.Sigmoid())
        self.eval()

    def forward(self, x, state=None):
        """x (B, T, 10) -> y (B, T, 1), final state"""
        out, state = self.lstm(x, state)
        return self.fc(out), state


def optimizer():
    return nn.Sequential(nn.Linear(15, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 128), nn.ReLU(),
                         nn.Dropout(0.2), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 9)).eval()


def flat_gradient(module):
    return torch.cat([p.grad.reshape(-1) for p in module.parameters()])


def quantile_loss(y, target, tau):
    e = target - y
    return torch.maximum(tau * e, (tau - 1) * e).mean()


def scale(module, factor):
    """Outputs that depend on the inputs by more than a hair: fresh weights are too small for that."""
    with torch.no_grad():
        for p in module.parameters():
            p *= factor


def fill_by_rule(module, width):
    """The same numbers in C: too many to keep in a file. Murmur3's finaliser as the random numbers."""
    k = np.arange(sum(p.numel() for p in module.parameters()), dtype=np.uint64)
    k = (k ^ (k >> np.uint64(16))) * np.uint64(0x85ebca6b) % np.uint64(2**32)
    k = (k ^ (k >> np.uint64(13))) * np.uint64(0xc2b2ae35) % np.uint64(2**32)
    k ^= k >> np.uint64(16)
    values = torch.from_numpy(((k.astype(np.float64) / 2**32 - 0.5) * width).astype(np.float32))
    nn.utils.vector_to_parameters(values, module.parameters())


def recurrent_vectors(v, name, net, batch, steps):
    """Stream form with a state carried in, and window form: outputs and gradients. Time first, as our code has it."""
    hidden, layers = net.lstm.hidden_size, net.lstm.num_layers
    x = torch.rand(batch, steps, 10) * 2 - 0.5
    state = torch.randn(2, layers, batch, hidden) * 0.4
    target = torch.rand(batch, steps, 1)
    net.zero_grad()
    y, (h, c) = net(x, (state[0], state[1]))
    loss = quantile_loss(y, target, 0.3)
    loss.backward()
    v[name + ".x"] = x.transpose(0, 1)
    v[name + ".state"] = state
    v[name + ".target"] = target.transpose(0, 1)
    v[name + ".y"] = y.transpose(0, 1)
    v[name + ".final"] = torch.stack([h, c])
    v[name + ".loss"] = loss
    v[name + ".grad"] = flat_gradient(net)
    net.zero_grad()
    y = net(x)[0][:, -1]
    loss = nn.functional.mse_loss(y, target[:, -1])
    loss.backward()
    v[name + ".window_y"] = y
    v[name + ".window_loss"] = loss
    v[name + ".window_grad"] = flat_gradient(net)


def reference_features(s):
    """(T, 6) of latency, jitter, loss, bandwidth, complexity, bitrate -> (T, 10) by the reference's formulas."""
    rows = []
    for i in range(len(s)):
        so_far = s[:i + 1]
        rows.append([s[i, 0] / 200, s[i, 1] / 50, s[i, 2], s[i, 3] / 50000, s[i, 4],
                     so_far[:, 0].mean() / 200 if i > 0 else 0, so_far[:, 0].std() / 50 if i > 1 else 0,
                     so_far[:, 1].mean() / 50 if i > 0 else 0, so_far[:, 2].mean() if i > 0 else 0,
                     s[i, 5] / 20000 if s[i, 5] > 0 else 0.5])
    return torch.tensor(np.array(rows), dtype=torch.float32)


def tick_vectors(v, net):
    """Ticks of raw samples as they come in, to the rate that the reference's weights recommend at each."""
    ticks = 45
    s = np.random.rand(ticks, 6) * [180, 40, 0.1, 30000, 1, 15000]
    s[:3, 5] = 0
    rates = []
    for t in range(ticks):
        window = s[max(0, t - 29):t + 1]
        with torch.no_grad():
            y = net(reference_features(window)[None])[0][0, -1, 0].item()
        rates.append(2000 + y * (20000 - 2000))
    v["ticks.samples"] = torch.tensor(s)
    v["ticks.kbps"] = torch.tensor(rates)


def dense_vectors(v, net):
    x, target = torch.rand(40, 15), torch.randn(40, 9)
    y = net(x)
    loss = nn.functional.huber_loss(y, target, delta=0.7)
    loss.backward()
    v["dqn.x"], v["dqn.target"], v["dqn.y"], v["dqn.loss"] = x, target, y, loss
    v["dqn.grad"] = flat_gradient(net)


def adam_vectors(v, name, make):
    n, steps = 150, 12
    w = nn.Parameter(torch.randn(n))
    gradients = torch.randn(steps, n) * torch.logspace(-6, 2, n)
    gradients[3] = 0
    v[name + ".start"] = w.clone()
    adam = make([w])
    for g in gradients:
        w.grad = g.clone()
        adam.step()
    v[name + ".grad"], v[name + ".end"] = gradients, w


def make(folder):
    torch.manual_seed(1)
    np.random.seed(1)
    torch.set_num_threads(1)
    v = {}
    small, large, dqn = Predictor(24, 1), Predictor(128, 2), optimizer()
    scale(small, 3)
    scale(dqn, 3)
    fill_by_rule(large, 0.6)
    save(os.path.join(folder, "predictor.safetensors"), small.state_dict())
    save(os.path.join(folder, "optimizer.safetensors"), dqn.state_dict())
    recurrent_vectors(v, "small", small, 4, 12)
    recurrent_vectors(v, "large", large, 3, 30)
    for key in "large.grad", "large.window_grad":
        v[key] = v[key][::97]
    tick_vectors(v, small)
    dense_vectors(v, dqn)
    adam_vectors(v, "adam", lambda p: torch.optim.Adam(p, lr=3e-3))
    adam_vectors(v, "adamw", lambda p: torch.optim.AdamW(p, lr=3e-3, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.02))
    save(os.path.join(folder, "vectors.safetensors"), v)


def check(model, probe):
    tensors, metadata = load(model)
    vectors, _ = load(probe)
    if "lstm.weight_ih_l0" in tensors:
        layers = sum(name.startswith("lstm.weight_ih_l") for name in tensors)
        net = Predictor(tensors["lstm.weight_hh_l0"].shape[1], layers)
    else:
        net = optimizer()
    net.load_state_dict(tensors, strict=True)
    with torch.no_grad():
        y = net(vectors["x"])
    y = y[0] if isinstance(y, tuple) else y
    worst = (y - vectors["y"]).abs().max().item()
    print(f"{metadata.get('kind')}: largest difference {worst:.3g} over {y.numel()} outputs")
    return worst < 1e-5 and y.shape == vectors["y"].shape


if __name__ == "__main__":
    if len(sys.argv) >= 4 and len(sys.argv) % 2 == 0 and sys.argv[1] == "--check":
        sys.exit(0 if all([check(*pair) for pair in zip(sys.argv[2::2], sys.argv[3::2])]) else 1)
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    make(os.path.dirname(os.path.abspath(__file__)))
