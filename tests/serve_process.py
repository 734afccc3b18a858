# SPDX-License-Identifier: LGPL-2.1-or-later
"""`mloptimizer serve` as a process, and a foreign client of it (python3-websockets): what test-serve and test-page
share."""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time

import websockets

PATIENCE = 20.0
"""Seconds after which something that should have happened has not."""
TOKEN = 'a-token-for-the-tests'


class Serve:
    """The server; ends with the block. `token`: in a file of its own."""

    def __init__(self, build, *args, token=None, listen='127.0.0.1:0', env=None):
        self.tool = os.path.join(build, 'src/tool/mloptimizer')
        self.folder = tempfile.TemporaryDirectory(prefix='mlo-serve-')
        self.token = token
        self.args = ['--listen', listen, '--verbose', *args]
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        if token:
            path = os.path.join(self.folder.name, 'token')
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 'w', encoding='ascii') as f:
                f.write(token + '\n')
            self.args += ['--token-file', path]

    def start(self):
        """Again on the same port, where it ran before."""
        if self.process:
            self.args[1] = self.page[len('http://'):-1]
        self.log = open(os.path.join(self.folder.name, 'log'), 'a+', encoding='utf-8')
        self.process = subprocess.Popen([self.tool, 'serve', *self.args], env=self.env, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        where = dict(line.rstrip('\n').split(': ', 1) for line in (self.process.stdout.readline() for _ in range(2))
                     if ': ' in line)
        assert 'page' in where, self.stderr()
        self.page, self.metrics = where['page'], where['metrics']

    def stderr(self):
        with open(self.log.name, encoding='utf-8') as f:
            return f.read()

    def end(self, sign=signal.SIGTERM):
        """Exit code and seconds until then."""
        began = time.monotonic()
        self.process.send_signal(sign)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.log.close()
        return code, time.monotonic() - began

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.end(signal.SIGKILL)
        self.folder.cleanup()


async def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f'not within {PATIENCE} s: {what}'
        await asyncio.sleep(0.01)


class Client:
    """Any WebSocket of the server; keeps what it is told."""

    def __init__(self, uri, token=None, **more):
        headers = {'Authorization': f'Bearer {token}'} if token else {}
        self.connecting = websockets.connect(uri, extra_headers=headers, max_size=None, **more)
        self.inbox = []

    async def __aenter__(self):
        self.socket = await self.connecting
        self.reader = asyncio.create_task(self.read())
        return self

    async def read(self):
        try:
            async for text in self.socket:
                self.inbox.append(json.loads(text))
        except websockets.ConnectionClosed:
            pass

    async def tell(self, message):
        await self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def of(self, kind):
        return [m for m in self.inbox if m['type'] == kind]

    async def __aexit__(self, *_):
        await self.socket.close()
        await self.reader


def decision(stream, kbps, state='normal', reason='a reason', **more):
    return {'type': 'recommendation', 'stream': stream, 'timestamp': time.time(), 'bitrate_kbps': kbps, 'state': state,
            'limiter': 'network', 'quality_action': {'action': 'decrease_bitrate', 'reason': reason}, 'confidence': 0.9,
            'metrics': {'bandwidth_kbps': kbps * 1.25, 'queue_delay_ms': 12, 'latency_ms': 40, 'packet_loss': 0.01,
                        'fps': 60, 'cpu_usage': 0.25, 'width': 1280, 'height': 720}, **more}
