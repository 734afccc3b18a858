# SPDX-License-Identifier: LGPL-2.1-or-later
"""A streaming server written with another WebSocket library (python3-websockets), and `mloptimizer run` as a process
beside it: what test-run and bench-run share."""

import asyncio
import json
import os
import time

import websockets

PATIENCE = 20.0
"""Seconds after which something that should have happened has not."""


class Tool:
    """`mloptimizer run`, with its log as JSON Lines, or in lines as they are for people."""

    def __init__(self, build, *args, env=None, log='json'):
        self.build = build
        self.format = log
        self.args = args
        self.env = dict(os.environ, **(env or {}))
        self.log = []
        self.lines = []

    async def __aenter__(self):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        command = [os.path.join(self.build, 'src/tool/mloptimizer'), 'run', '--models', os.path.join(root, 'models'),
                   '--log', self.format, *self.args]
        self.process = await asyncio.create_subprocess_exec(
            *command, env=self.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 20)
        self.reader = asyncio.create_task(self.read())
        return self

    async def read(self):
        async for line in self.process.stdout:
            self.lines.append(line.decode())
            if self.format == 'json':
                self.log.append(json.loads(line))

    def events(self, name):
        return [e for e in self.log if e['event'] == name]

    async def end(self, signal):
        """Exit code and seconds until then."""
        began = time.monotonic()
        self.process.send_signal(signal)
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        took = time.monotonic() - began
        await self.reader
        return code, took

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self.reader


class Server:
    """Takes one or more connections of the tool; what it sends goes to the newest."""

    def __init__(self, port=0, ssl=None):
        self.port = port
        self.ssl = ssl
        self.inbox = []         # (time, message)
        self.ws = None
        self.headers = None
        self.connections = 0
        self.on_message = None

    async def __aenter__(self):
        await self.start()
        return self

    async def start(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.server = await websockets.serve(self.handle, '127.0.0.1', self.port, compression=None, ssl=self.ssl)
                break
            except OSError:     # the port of the server before is not free yet
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self):
        self.server.close()
        await self.server.wait_closed()
        self.ws = None

    async def __aexit__(self, *_):
        await self.stop()

    async def handle(self, ws):
        self.ws = ws
        self.headers = ws.request_headers
        self.connections += 1
        try:
            async for text in ws:
                message = json.loads(text)
                self.inbox.append((time.monotonic(), message))
                if self.on_message:
                    self.on_message(message)
        except websockets.ConnectionClosed:
            pass

    @property
    def uri(self):
        return f'{"wss" if self.ssl else "ws"}://127.0.0.1:{self.port}/metrics'

    async def connected(self):
        await until(lambda: self.ws is not None and self.ws.open, 'the tool connects')

    async def tell(self, message):
        await self.ws.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def of(self, kind, stream=None):
        return [m for _, m in self.inbox if m.get('type') == kind and (stream is None or m.get('stream') == stream)]


async def until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'within {patience} s: {what}')
        await asyncio.sleep(0.01)


class Host:
    """One stream behind a link: a fluid queue in real time, a bitrate that is set as recommended, and the eight basic
    fields measured on it."""

    def __init__(self, server, stream=None, capacity=8000, bitrate=2000):
        self.server = server
        self.stream = stream
        self.capacity = capacity
        self.bitrate = bitrate
        self.backlog = 0.0      # kbit
        self.sent = self.lost = 0.0
        self.at = time.monotonic()
        self.peak_ms = 0.0

    def flow(self):
        now = time.monotonic()
        kbit = self.bitrate / 0.955 * (now - self.at)
        self.backlog = max(self.backlog + kbit - self.capacity * (now - self.at), 0.0)
        over = max(self.backlog - 0.4 * self.capacity, 0.0)
        self.backlog -= over
        self.sent += kbit
        self.lost += over
        self.at = now
        self.peak_ms = max(self.peak_ms, self.queue_ms)

    @property
    def queue_ms(self):
        return 1000.0 * self.backlog / self.capacity

    def obey(self, message):
        if message.get('type') == 'recommendation' and message.get('stream') == self.stream:
            self.flow()
            self.bitrate = message['bitrate_kbps']

    def metrics(self):
        self.flow()
        m = {'timestamp': time.time(), 'latency_ms': 30 + self.queue_ms, 'jitter_ms': 2.0,
             'packet_loss': min(self.lost / self.sent, 1.0) if self.sent > 0 else 0.0,
             'bandwidth_kbps': self.capacity, 'bitrate_kbps': self.bitrate, 'fps': 60, 'quality_score': 0.8}
        self.sent = self.lost = 0.0
        if self.stream is not None:
            m['stream'] = self.stream
        return m

    async def play(self, seconds, rate=10.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.server.tell(self.metrics())
            await asyncio.sleep(1.0 / rate)

    async def play_until(self, condition, what, patience=PATIENCE):
        """Tells on until it is so."""
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, (f'within {patience} s: {what}', self.capacity, self.bitrate, self.queue_ms)
            await self.play(0.1)
