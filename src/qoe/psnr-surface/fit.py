#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fits the PSNR surface to encodes.csv and writes its numbers as C.

    fit.py encodes.csv ../mlo-psnr-surface-table.h

Two errors add up: coding and enlarging.

    x      = log2 (bits per coded pixel and frame) + gamma log2 (fps/60) + delta log2 (source pixels/921600)
    coding = a0 + a1 c + (a2 + a3 c) x + a4 x^2, a straight line outside the fitted x
    up     = b0 + b1 c + (b2 + b3 c) s + b4 s^2, s = log2 (scale)
    PSNR   = -10 log10 (10^(-coding/10) + 10^(-up/10)),  c: complexity; scale 1: no second term

gamma: at fewer frames a second more moves from one to the next. Least squares (Levenberg-Marquardt)
over all encodes of the preset `superfast`; every clip weighs the same. Then each clip is left out
in turn and predicted from the others: the error to expect of pictures it has not seen.
"""
import csv
import sys

import numpy as np

START = [60, -20, 2.5, 0, 0, 0.5, 0.1, 38, -6, 4, 0, 0]
# Of each number, how far from its start it costs as much as 1 dB in two hundred encodes: a weak prior.
FREEDOM = [60, 60, 10, 10, 1, 2, 1, 60, 60, 20, 20, 5]


def load(path):
    rows = []
    with open(path) as f:
        for r in csv.DictReader(f):
            h = int(r["source_height"])
            rows.append({"preset": r["preset"], "clip": (r["kind"], r["seed"], r["start"], h), "kbps": float(r["kbps"]),
                         "target": r["target_kbps"], "fps": float(r["fps"]), "scale": int(r["height"]) / h,
                         "pixels": float(h * h * 16 // 9), "c": float(r["complexity"]), "psnr": float(r["psnr_db"])})
    return rows


def columns(rows):
    a = {k: np.array([r[k] for r in rows]) for k in ("kbps", "fps", "scale", "pixels", "c", "psnr")}
    a["bits"] = np.log2(a["kbps"] * 1000 / (a["fps"] * a["pixels"] * a["scale"] ** 2))
    return a


def surface(p, a, span=None):
    a0, a1, a2, a3, a4, gamma, delta, b0, b1, b2, b3, b4 = p
    c, s = a["c"], np.log2(a["scale"])
    x = a["bits"] + gamma * np.log2(a["fps"] / 60) + delta * np.log2(a["pixels"] / 921600)
    within = x if span is None else np.clip(x, *span)
    coding = a0 + a1 * c + (a2 + a3 * c) * within + a4 * within ** 2 + (x - within) * (a2 + a3 * c + 2 * a4 * within)
    up = b0 + b1 * c + (b2 + b3 * c) * s + b4 * s * s
    return -10 * np.log10(10 ** (-coding / 10) + np.where(a["scale"] < 1, 10 ** (-up / 10), 0)), x


def fit(rows):
    a = columns(rows)
    clips = [r["clip"] for r in rows]
    weight = np.array([1 / np.sqrt(clips.count(c)) for c in clips])
    # above 40 dB and below 20 the score does not change: such encodes weigh a tenth
    weight = np.where((a["psnr"] > 42) | (a["psnr"] < 19), 0.3, 1) * weight
    p = np.array(START, float)
    damping = 1.0

    def residual(q):
        prior = (q - START) / FREEDOM * np.sqrt(0.005 * weight @ weight)
        return np.concatenate([(surface(q, a)[0] - a["psnr"]) * weight, prior])

    r = residual(p)
    for _ in range(300):
        steps = 1e-5 * np.maximum(np.abs(p), 0.1)
        jacobian = np.stack([(residual(p + d) - r) / d.sum() for d in np.diag(steps)], 1)
        normal = jacobian.T @ jacobian
        move = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), -jacobian.T @ r)
        better = residual(p + move)
        if better @ better < r @ r:
            done = r @ r - better @ better < 1e-10
            p, r, damping = p + move, better, damping / 3
            if done:
                break
        else:
            damping = min(damping * 4, 1e9)
    return p


def scored(psnr):
    return np.clip(psnr, 20, 40)


def compare_presets(everything, rows):
    base = {(r["clip"], r["scale"], r["fps"], r["target"]): r["psnr"] for r in rows}
    for preset in sorted({r["preset"] for r in everything} - {"superfast"}):
        keys = [(r["psnr"], (r["clip"], r["scale"], r["fps"], r["target"])) for r in everything if r["preset"] == preset]
        d = [psnr - base[k] for psnr, k in keys if k in base]
        if d:
            print("%s against superfast: %+.2f dB (%+.2f..%+.2f, %d encodes)" % (preset, np.mean(d), min(d), max(d), len(d)))


def score(psnr, fps, delay=60.0):
    """DESIGN's R without losses (src/qoe/mlo-qoe.h)."""
    i_rate = np.minimum(66, 0.259 * (np.exp(67.28 / fps) + 3.23) + 5 * np.log2(60 / fps))
    i_input = np.clip(90 / (1 + np.exp(1.191 - 0.009775 * delay)) - 18.73, 0, 68.98)
    return 100 - 66 * np.clip((40 - psnr) / 20, 0, 1) - i_rate - 0.848 * i_input


def best_table(p, span):
    """Where R is greatest, 1280x720 source, 60 ms delay: by bitrate and complexity."""
    lines = []
    for kbps in (300, 500, 750, 1000, 1500, 2000, 3000, 4500, 6000, 9000, 12000, 20000):
        cells = []
        for c in (0.65, 0.72, 0.80):
            options = []
            for h in (240, 360, 480, 540, 720):
                for fps in (15, 20, 30, 45, 60):
                    a = {"kbps": np.array([kbps]), "fps": np.array([fps]), "scale": np.array([h / 720]),
                         "pixels": np.array([921600.0]), "c": np.array([c])}
                    a["bits"] = np.log2(a["kbps"] * 1000 / (a["fps"] * a["pixels"] * a["scale"] ** 2))
                    psnr = surface(p, a, span)[0][0]
                    options.append((score(psnr, fps), h, fps, psnr))
            r, h, fps, psnr = max(options)
            cells.append("%dp%-2d  R %2.0f  %.1f dB" % (h, fps, r, psnr))
        lines.append("| %5d | %s |" % (kbps, " | ".join(cells)))
    return "| kbit/s | c 0.65 | c 0.72 | c 0.80 |\n|---|---|---|---|\n" + "\n".join(lines)


def write(path, p, span, seen, n, rms, worst, out):
    with open(path, "w") as f:
        f.write("/* SPDX-License-Identifier: LGPL-2.1-or-later */\n")
        f.write("/* Made by psnr-surface/fit.py from psnr-surface/encodes.csv: do not edit. */\n")
        f.write("#ifndef MLO_PSNR_SURFACE_TABLE_H\n#define MLO_PSNR_SURFACE_TABLE_H\n\n")
        f.write("/* Of %d encodes, between 20 and 40 dB; the third: of a clip left out of the fit. */\n" % n)
        f.write("#define SURFACE_RMS_DB %.2f\n#define SURFACE_MAX_DB %.2f\n#define SURFACE_LEFT_OUT_RMS_DB %.2f\n\n" % (
            rms, worst, out))
        f.write("#define SURFACE_C_MIN %.4f\n#define SURFACE_C_MAX %.4f\n" % seen)
        f.write("#define SURFACE_X_MIN %.4f\n#define SURFACE_X_MAX %.4f\n" % span)
        f.write("\nstatic const double surface_coding[5] = { %s };\n" % ", ".join("%.6f" % v for v in p[:5]))
        f.write("static const double surface_gamma = %.6f, surface_delta = %.6f;\n" % (p[5], p[6]))
        f.write("static const double surface_up[5] = { %s };\n\n#endif\n" % ", ".join("%.6f" % v for v in p[7:]))


def main():
    everything = load(sys.argv[1])
    rows = [r for r in everything if r["preset"] == "superfast"]
    p = fit(rows)
    a = columns(rows)
    x = surface(p, a)[1]
    span = (float(np.percentile(x, 1)), float(np.percentile(x, 99)))
    model = surface(p, a, span)[0]
    used = scored(model) - scored(a["psnr"])
    left_out = []
    for clip in sorted({r["clip"] for r in rows}):
        q = fit([r for r in rows if r["clip"] != clip])
        b = columns([r for r in rows if r["clip"] == clip])
        e = scored(surface(q, b, span)[0]) - scored(b["psnr"])
        left_out.append(np.mean(e ** 2))
        i = [k for k, r in enumerate(rows) if r["clip"] == clip]
        print("%-32s c %.3f  rms %.2f bias %+.2f dB; left out: rms %.2f bias %+.2f" % (
            "/".join(map(str, clip)), b["c"][0], np.sqrt(np.mean(used[i] ** 2)), used[i].mean(), np.sqrt(np.mean(e ** 2)),
            e.mean()))
    rms, worst, out = np.sqrt(np.mean(used ** 2)), np.abs(used).max(), np.sqrt(np.mean(left_out))
    print("%d encodes: rms %.2f dB; between 20 and 40 dB: rms %.2f, max %.2f, clips left out %.2f" % (
        len(rows), np.sqrt(np.mean((model - a["psnr"]) ** 2)), rms, worst, out))
    print("gamma %.2f, %.2f dB a doubling at c 0.7, x %.1f..%.1f" % (
        p[5], p[2] + p[3] * 0.7 + 2 * p[4] * np.mean(span), *span))
    print(best_table(p, span))
    compare_presets(everything, rows)
    if len(sys.argv) > 2:
        write(sys.argv[2], p, span, (a["c"].min(), a["c"].max()), len(rows), rms, worst, out)


if __name__ == "__main__":
    main()
