#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams through an emulated link on this machine and reports what arrived.

    stream-sender -> mloptimizer link -> stream-receiver, scored by stream-score

One run a controller: "mloptimizer" (the element), a bitrate in kbit/s (fixed), or one of the baselines. examples/quickstart
builds everything and calls this; tests/real-loop imports it.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ELEMENT = 'mloptimizer'
BASELINES = ('gcc', 'gcc-probing', 'omniscient', 'omniscient-mean')


class LoopError(Exception):
    """A run that did not come about; the text says why."""


def free_ports(count):
    """UDP ports of this host that nobody holds just now."""
    sockets = []
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(('127.0.0.1', 0))
        sockets.append(s)
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def read_json_lines(path):
    """The whole lines of a log that may still be written to."""
    lines = []
    try:
        with open(path, encoding='utf-8') as f:
            for line in f:
                if line.endswith('\n'):
                    lines.append(json.loads(line))
    except FileNotFoundError:
        pass
    return lines


def last_json_line(path):
    try:
        with open(path, 'rb') as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 2048))
            lines = f.read().decode('utf-8').split('\n')
        return json.loads(lines[-2]) if len(lines) > 1 and lines[-2].startswith('{') else {}
    except (FileNotFoundError, ValueError):
        return {}


class Progress:
    """One line that is written over on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, label, seconds):
        self.label, self.seconds, self.next_line = label, seconds, 10.0
        self.terminal = sys.stderr.isatty()

    def show(self, elapsed, link):
        if not link.get('time_ms'):
            return
        text = (f'{self.label:<14} {elapsed:4.0f} of {self.seconds:.0f} s   link {link["capacity_kbps"] / 1e3:5.1f} Mbit/s   '
                f'sent {link["in_kbps"] / 1e3:5.1f}   queue {link["queue_ms"]:4.0f} ms')
        if self.terminal:
            print('\r' + text + '   ', end='', file=sys.stderr, flush=True)
        elif elapsed >= self.next_line:
            self.next_line += 10.0
            print(text, file=sys.stderr, flush=True)

    def end(self):
        if self.terminal:
            print(file=sys.stderr)


def stop(process, patience=10.0):
    """Asks a program of ours to end, insists in the end."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def event_figures(events, scores):
    """What the sender's log says beside the score."""
    figures = {'bitrate_changes': sum(e['event'] == 'bitrate' for e in events)}
    rates = [e['values']['framerate'] for e in events
             if e['event'] == 'decision' and 'framerate' in e['values'] and e['values'].get('applied', True)]
    figures['fps_changes'] = sum(a != b for a, b in zip(rates, rates[1:]))
    times = [e['time_us'] for e in events if e['event'] == 'feedback']
    gaps = sorted((b - a) / 1e3 for a, b in zip(times, times[1:]))
    if gaps:
        figures['feedback_gap_p50_ms'] = gaps[len(gaps) // 2]
        figures['feedback_gap_p95_ms'] = gaps[int(len(gaps) * 0.95)]
    # The sender's own estimate of the score against the true one, second by second.
    estimates = {}
    for e in events:
        if e['event'] == 'stats' and isinstance(e['values'].get('quality_score'), (int, float)):
            estimates.setdefault(int((e['time_us'] - scores['start_us']) // 1e6), []).append(e['values']['quality_score'])
    errors = [abs(100 * statistics.fmean(estimates[i]) - s['score'])
              for i, s in enumerate(scores['each_second']) if i in estimates and s['score'] is not None]
    if errors:
        figures['quality_error'] = statistics.fmean(errors)
    figures['warnings'] = sum(e['event'] == 'warning' for e in events)
    return figures


class MetricsServer:
    """`mloptimizer serve` with a token of its own, for the time of the block."""

    def __init__(self, build, output, listen):
        self.token = secrets.token_urlsafe(24)
        os.makedirs(output, exist_ok=True)
        self.log = os.path.join(output, 'serve.txt')
        self.command = [os.path.join(build, 'src', 'tool', 'mloptimizer'), 'serve', '--listen', listen, '--verbose']

    def __enter__(self):
        with open(self.log, 'w', encoding='utf-8') as log:
            # Ctrl-C is for the runs; this one ends with the block.
            self.process = subprocess.Popen(self.command, env=dict(os.environ, MLOPTIMIZER_TOKEN=self.token), text=True,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                            start_new_session=True)
        said = dict(line.rstrip('\n').split(': ', 1) for line in (self.process.stdout.readline() for _ in range(2))
                    if ': ' in line)
        if 'metrics' not in said:
            self.process.wait()
            with open(self.log, encoding='utf-8') as log:
                raise LoopError(log.read().strip())
        self.page, self.metrics = f'{said["page"]}#token={self.token}', said['metrics']
        return self

    def __exit__(self, *_):
        stop(self.process)
        self.process.stdout.close()


def run(build, output, controller, trace, seconds=60.0, rtt_ms=40.0, queue='300ms', grid_ms=0.0, loss=0.0,
        max_bitrate=12000, start_bitrate=1000, scene='mixed', twcc=True, default_rtcp=False, properties='', preset='', parity=None, server=None,
        progress=True):
    """One run; returns its figures and leaves the logs in the folder output. server: a MetricsServer for the element."""
    os.makedirs(output, exist_ok=True)
    path = lambda name: os.path.join(output, name)
    program = lambda *parts: os.path.join(build, *parts)
    for name in ('link.jsonl', 'sent.csv', 'decoded.csv', 'events.jsonl'):
        if os.path.exists(path(name)):
            os.unlink(path(name))
    receiver_rtp, receiver_rtcp, sender_rtcp, link_rtp, link_rtcp, link_back = free_ports(6)
    environment = dict(os.environ, GST_PLUGIN_PATH=program('gst-plugin'), GST_REGISTRY=program('registry-loop.bin'),
                       MLOPTIMIZER_MODELS=os.environ.get('MLOPTIMIZER_MODELS', os.path.join(ROOT, 'models')))
    link_command = [program('src', 'tool', 'mloptimizer'), 'link', '--quiet', f'--trace={trace}', f'--queue={queue}',
                    f'--queue-cap={max_bitrate}', f'--delay={rtt_ms / 2}', f'--grid={grid_ms}', f'--loss={loss}',
                    f'--listen={link_rtp}', f'--to={receiver_rtp}', f'--listen={link_rtcp}', f'--to={receiver_rtcp}',
                    f'--return-listen={link_back}', f'--return-to={sender_rtcp}', f'--log={path("link.jsonl")}']
    receiver_command = [program('examples', 'stream-receiver'), f'--rtp-port={receiver_rtp}',
                        f'--rtcp-port={receiver_rtcp}', f'--feedback-port={link_back}', f'--scene={scene}',
                        f'--frames={path("decoded.csv")}']
    sender_command = [program('examples', 'stream-sender'), f'--rtp-port={link_rtp}', f'--rtcp-port={link_rtcp}',
                      f'--feedback-port={sender_rtcp}', f'--seconds={seconds}', f'--scene={scene}',
                      f'--frames={path("sent.csv")}', f'--events={path("events.jsonl")}']
    if controller == ELEMENT:
        sender_command += [f'--max-bitrate={max_bitrate}', f'--start-bitrate={start_bitrate}']
        if properties:
            sender_command.append(f'--properties={properties}')
        if server:
            sender_command.append(f'--server={server.metrics}?stream=quickstart')
            environment['MLOPTIMIZER_TOKEN'] = server.token
    elif controller in BASELINES:
        sender_command += [f'--max-bitrate={max_bitrate}', f'--start-bitrate={start_bitrate}',
                           f'--controller={controller}', f'--trace={trace}']
    else:
        sender_command.append(f'--bitrate={controller}')
    if preset:
        sender_command.append(f'--preset={preset}')
    if parity is not None:
        sender_command.append(f'--parity={parity}')
        receiver_command.append('--parity')
    if not twcc:
        sender_command.append('--no-twcc')
        receiver_command.append('--no-twcc')
    if default_rtcp:
        receiver_command.append('--default-rtcp')

    logs = [open(path(name), 'w', encoding='utf-8') for name in ('link.txt', 'receiver.txt', 'sender.txt')]
    start = lambda command, log: subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                                  stderr=subprocess.STDOUT)
    link = receiver = sender = None
    display = Progress(label(controller), seconds)
    try:
        link = start(link_command, logs[0])
        receiver = start(receiver_command, logs[1])
        deadline = time.monotonic() + 20.0
        while 'ready' not in open(path('receiver.txt'), encoding='utf-8').read():
            if receiver.poll() is not None or link.poll() is not None or time.monotonic() > deadline:
                raise LoopError(f'{label(controller)}: receiver or link did not start, see {output}')
            time.sleep(0.05)
        began = time.monotonic()
        sender = start(sender_command, logs[2])
        while sender.poll() is None:
            time.sleep(0.25)
            if progress:
                display.show(min(seconds, time.monotonic() - began), last_json_line(path('link.jsonl')))
            if receiver.poll() is not None or link.poll() is not None:
                raise LoopError(f'{label(controller)}: receiver or link ended early, see {output}')
            if time.monotonic() - began > seconds + 30.0:
                raise LoopError(f'{label(controller)}: the sender does not end, see {output}')
        # What is still on its way may be a second late and count.
        time.sleep(1.2)
    finally:
        if progress:
            display.end()
        for process in (sender, receiver, link):
            stop(process)
        for log in logs:
            log.close()
    if sender.returncode != 0 or receiver.returncode != 0 or link.returncode != 0:
        raise LoopError(f'{label(controller)}: exit codes sender {sender.returncode}, receiver {receiver.returncode}, '
                        f'link {link.returncode}:\n' + open(path('sender.txt'), encoding='utf-8').read()
                        + open(path('receiver.txt'), encoding='utf-8').read())
    scored = subprocess.run([program('examples', 'stream-score'), f'--sent={path("sent.csv")}',
                             f'--decoded={path("decoded.csv")}', f'--link={path("link.jsonl")}', f'--trace={trace}',
                             f'--max-bitrate={max_bitrate}'], capture_output=True, text=True, check=False)
    if scored.returncode != 0:
        raise LoopError(scored.stderr.strip())
    figures = json.loads(scored.stdout)
    figures.update(event_figures(read_json_lines(path('events.jsonl')), figures))
    figures['switches'] = figures['size_changes'] + figures['fps_changes']
    figures = {'controller': label(controller), 'trace': os.path.splitext(os.path.basename(trace))[0], **figures}
    with open(path('result.json'), 'w', encoding='utf-8') as f:
        json.dump(figures, f, indent=1)
    return figures


def label(controller):
    return controller if controller == ELEMENT or controller in BASELINES else f'fixed {int(controller)}'


COLUMNS = [  # heading, field, format
    ('score', 'score', '{:.1f}'), ('MOS', 'mos', '{:.2f}'), ('PSNR', 'psnr_db', '{:.1f}'), ('SSIM', 'ssim', '{:.3f}'),
    ('kbit/s', 'bitrate_kbps', '{:.0f}'), ('util %', 'utilisation', '{:.0%}'), ('p50', 'delay_p50_ms', '{:.0f}'),
    ('p95', 'delay_p95_ms', '{:.0f}'), ('p99', 'delay_p99_ms', '{:.0f}'), ('p95 clear', 'delay_p95_clear_ms', '{:.0f}'),
    ('loss %', 'loss', '{:.2%}'), ('freezes', 'freezes', '{:.0f}'), ('frozen s', 'freeze_s', '{:.1f}'),
    ('switches', 'switches', '{:.0f}'), ('left out', 'frames_left_out', '{:.0f}'),
]


def cell(figures, field, form):
    value = figures.get(field)
    return '-' if value is None else form.format(value).rstrip('%')


def table(runs, first=('controller',)):
    """Text of a table, one run a line."""
    rows = [[*first] + [c[0] for c in COLUMNS]]
    rows += [[str(r[f]) for f in first] + [cell(r, c[1], c[2]) for c in COLUMNS] for r in runs]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join('  '.join(t.ljust(w) if i < len(first) else t.rjust(w)
                               for i, (t, w) in enumerate(zip(row, widths))) for row in rows)


def write_summary(path, settings, runs):
    """Everything but the seconds, which stand in each run's result.json; written aside and renamed."""
    summary = {'settings': settings, 'runs': [{k: v for k, v in r.items() if k != 'each_second'} for r in runs]}
    with open(path + '.new', 'w', encoding='utf-8') as f:
        json.dump(summary, f, indent=1)
        f.write('\n')
    os.replace(path + '.new', path)


def controller_name(text):
    if text == ELEMENT or text in BASELINES:
        return text
    if not text.isdigit() or not 50 <= int(text) <= 100000:
        raise argparse.ArgumentTypeError(f'"{text}": neither "{ELEMENT}" nor a bitrate of 50 to 100000 kbit/s nor one of '
                                         + ', '.join(BASELINES))
    return text


def positive(text):
    value = float(text)
    if not 3.0 <= value <= 86400.0:
        raise argparse.ArgumentTypeError(f'"{text}": not between 3 and 86400')
    return value


def add_arguments(parser):
    parser.add_argument('--seconds', type=positive, default=60.0, help='length of each run (60)')
    parser.add_argument('--rtt', type=float, default=40.0, metavar='MS', help='round trip without queue (40)')
    parser.add_argument('--queue', default='300ms', metavar='BYTES|MSms', help="the link's queue; ms at the trace's mean (300ms)")
    parser.add_argument('--grid', type=float, default=0.0, metavar='MS', help='delivery in bursts on this grid (0)')
    parser.add_argument('--loss', type=float, default=0.0, metavar='PERCENT', help='packets lost by chance (0)')
    parser.add_argument('--max-bitrate', type=int, default=12000, metavar='KBPS', help='most that is adapted to (12000)')
    parser.add_argument('--start-bitrate', type=int, default=1000, metavar='KBPS', help='what is adapted from (1000)')
    parser.add_argument('--scene', default='mixed', choices=['mixed', 'calm', 'medium', 'wild'], help='kind of pictures (mixed)')
    parser.add_argument('--properties', default='', metavar='TEXT', help='more properties of the element, as "target-delay=40"')
    parser.add_argument('--preset', default='', help="x264enc's speed-preset (superfast)")
    parser.add_argument('--parity', type=int, metavar='PERCENT', help='with forward error correction, from so much on (none)')
    parser.add_argument('--no-twcc', action='store_true', help='receiver reports alone')
    parser.add_argument('--default-rtcp', action='store_true', help="the receiver's RTCP as rtpsession has it by default")
    parser.add_argument('--build', default=os.path.join(ROOT, 'build'), metavar='DIR', help='where it was built (build)')


def run_arguments(args):
    """The part of run()'s arguments that the command line gives."""
    return {'seconds': args.seconds, 'rtt_ms': args.rtt, 'queue': args.queue, 'grid_ms': args.grid, 'loss': args.loss,
            'max_bitrate': args.max_bitrate, 'start_bitrate': args.start_bitrate, 'scene': args.scene, 'twcc': not args.no_twcc,
            'default_rtcp': args.default_rtcp, 'properties': args.properties, 'preset': args.preset, 'parity': args.parity}


def kept_run(args, output, controller, trace, **more):
    """As run(), with the command line's settings; with args.resume a run that is there with the same is not repeated."""
    settings = {**run_arguments(args), **more}
    kept = os.path.join(output, 'settings.json')
    result = os.path.join(output, 'result.json')
    if args.resume and os.path.exists(result) and os.path.exists(kept):
        with open(kept, encoding='utf-8') as f:
            if json.load(f) == settings:
                with open(result, encoding='utf-8') as g:
                    return json.load(g)
    if os.path.exists(kept):
        os.unlink(kept)
    figures = run(args.build, output, controller, trace, **settings)
    with open(kept, 'w', encoding='utf-8') as f:
        json.dump(settings, f)
    return figures


def main():
    parser = argparse.ArgumentParser(
        prog='examples/quickstart', description='Streams 720p60 game-like pictures through a link of changing capacity, '
        'once with a fixed bitrate and once with mloptimizer, and compares what arrived.')
    parser.add_argument('--trace', default=os.path.join(ROOT, 'examples', 'traces', 'changing.csv'), metavar='FILE',
                        help='capacity over time, CSV or mahimahi (a made-up minute)')
    parser.add_argument('--output', default='out/quickstart', metavar='DIR', help='logs and summary.json (out/quickstart)')
    parser.add_argument('--fixed', type=controller_name, default='3000', metavar='KBPS', help='the fixed bitrate (3000)')
    parser.add_argument('--controllers', metavar='A,B', help=f'these instead: "{ELEMENT}", bitrates in kbit/s, {", ".join(BASELINES)}')
    parser.add_argument('--serve', nargs='?', const='127.0.0.1:8080', metavar='ADDRESS:PORT',
                        help="show the element's run on a live page, the element before the fixed bitrate (127.0.0.1:8080)")
    add_arguments(parser)
    args = parser.parse_args()
    both = [ELEMENT, args.fixed] if args.serve else [args.fixed, ELEMENT]
    try:
        controllers = [controller_name(c) for c in args.controllers.split(',')] if args.controllers else both
    except argparse.ArgumentTypeError as e:
        parser.error(f'--controllers {e}')
    if not os.path.isfile(args.trace):
        parser.error(f'--trace {args.trace}: no such file')
    settings = {'trace': os.path.basename(args.trace), **run_arguments(args)}
    runs = []
    try:
        with MetricsServer(args.build, args.output, args.serve) if args.serve else contextlib.nullcontext() as server:
            if server:
                print(f'live page: {server.page}', flush=True)
            for controller in controllers:
                runs.append(run(args.build, os.path.join(args.output, label(controller).replace(' ', '-')), controller,
                                args.trace, **run_arguments(args), server=server))
            if server and sys.stdin.isatty():
                input('The page stays until you press Enter. ')
    except LoopError as e:
        print(f'examples/quickstart: {e}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nstopped', file=sys.stderr)
        return 130
    summary = os.path.join(args.output, 'summary.json')
    write_summary(summary, settings, runs)
    print(table(runs))
    print(f'\nscore: 0..100, mean over the seconds (picture, frame rate, delay, loss); delays in ms from capture to decoded,\n'
          f'"clear" outside outages of the link; util: of what the link or max-bitrate allowed. All of it: {summary}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
