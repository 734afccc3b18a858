# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sender, a router and a receiver in network namespaces; HTB with a byte-limited FIFO on the way out of the router is
the bottleneck, whose rate may change. (On the sender itself its sockets would feel the queue.)

Wants root and a kernel with namespaces, veth, HTB and bfifo; Unavailable says what is missing. Everything is taken away
again at the end, whatever happens in between.
"""

import json
import os
import re
import subprocess

SENDER, RECEIVER = '10.99.7.1', '10.99.8.2'
ROUTER = ('10.99.7.2', '10.99.8.1')


class Unavailable(Exception):
    """This machine cannot do it; the text says why."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f'{" ".join(command)}: {done.stderr.strip() or done.returncode}')
    return done.stdout


class Bottleneck:
    """sender -> bottleneck -> receiver; the way back is free."""

    def __init__(self, kbps, queue_bytes):
        self.names = [f'mlo-{os.getpid()}-{side}' for side in ('sender', 'router', 'receiver')]
        self.kbps, self.queue_bytes = kbps, queue_bytes

    # Whose device the bottleneck is.
    name, device = 1, 'out'

    def _tc(self, *words):
        return run('ip', 'netns', 'exec', self.names[self.name], 'tc', *words)

    def _class(self, verb):
        self._tc('class', verb, 'dev', self.device, 'parent', '1:', 'classid', '1:1', 'htb', 'rate', f'{self.kbps:.0f}kbit',
                 'burst', '2kb', 'cburst', '2kb')

    def _devices(self):
        sender, router, receiver = self.names
        for name, end in ((sender, 'in'), (receiver, 'out')):
            run('ip', 'link', 'add', 'name', 'wire', 'netns', name, 'type', 'veth', 'peer', 'name', end, 'netns', router)
        for name, device, address in ((sender, 'wire', SENDER), (router, 'in', ROUTER[0]), (router, 'out', ROUTER[1]),
                                      (receiver, 'wire', RECEIVER)):
            # Segments as they are on a wire: a FIFO of bytes drops the kernel's 64 kB ones whole.
            run('ip', '-n', name, 'link', 'set', 'dev', device, 'gso_max_segs', '1')
            run('ip', '-n', name, 'addr', 'add', f'{address}/24', 'dev', device)
            run('ip', '-n', name, 'link', 'set', 'dev', device, 'up')
            run('ip', '-n', name, 'link', 'set', 'dev', 'lo', 'up')
        run('ip', '-n', sender, 'route', 'add', 'default', 'via', ROUTER[0])
        run('ip', '-n', receiver, 'route', 'add', 'default', 'via', ROUTER[1])
        run('ip', 'netns', 'exec', router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')

    def __enter__(self):
        if os.geteuid() != 0:
            raise Unavailable('network namespaces want root')
        try:
            for name in self.names:
                run('ip', 'netns', 'add', name)
            self._devices()
            self._tc('qdisc', 'add', 'dev', self.device, 'root', 'handle', '1:', 'htb', 'default', '1')
            self._class('add')
            self._tc('qdisc', 'add', 'dev', self.device, 'parent', '1:1', 'handle', '2:', 'bfifo', 'limit', str(self.queue_bytes))
        except FileNotFoundError as e:
            self.__exit__()
            raise Unavailable(str(e)) from e
        except Unavailable:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(('ip', 'netns', 'del', name), stderr=subprocess.DEVNULL, check=False)

    def set_rate(self, kbps):
        self.kbps = kbps
        self._class('change')

    def figures(self):
        """Bytes that wait now, packets dropped and bytes passed so far."""
        for q in json.loads(self._tc('-s', '-j', 'qdisc', 'show', 'dev', self.device)):
            if q.get('kind') == 'bfifo':
                return {'backlog': int(q.get('backlog', 0)), 'dropped': int(q.get('drops', 0)), 'bytes': int(q.get('bytes', 0))}
        raise Unavailable('tc does not show the queue')

    def sender(self, command):
        return ['ip', 'netns', 'exec', self.names[0], *command]

    def receiver(self, command):
        return ['ip', 'netns', 'exec', self.names[2], *command]


class Alone(Bottleneck):
    """One namespace, for both ends in one process: what it says to itself, there and back, passes the bottleneck."""

    name, device = 0, 'lo'

    def __init__(self, kbps, queue_bytes):
        super().__init__(kbps, queue_bytes)
        self.names = self.names[:1]

    def _devices(self):
        name = self.names[0]
        run('ip', '-n', name, 'link', 'set', 'dev', 'lo', 'up')
        # ICE offers no address of the loopback: one of a device that leads nowhere.
        run('ip', 'link', 'add', 'name', 'wire', 'netns', name, 'type', 'veth', 'peer', 'name', 'end', 'netns', name)
        run('ip', '-n', name, 'addr', 'add', f'{SENDER}/24', 'dev', 'wire')
        for device in ('wire', 'end'):
            run('ip', '-n', name, 'link', 'set', 'dev', device, 'up')


def launch_lines(readme):
    """The commands of README's indented blocks that run gst-launch-1.0, ffmpeg or an example: (heading, command)."""
    lines, heading, block = [], '', []
    with open(readme, encoding='utf-8') as f:
        text = f.read().split('\n') + ['']
    for line in text:
        if line.startswith('#'):
            heading = line.lstrip('# ')
        if line.startswith('    '):
            block.append(line[4:])
            continue
        if block:
            command = re.sub(r'\\\n\s*', ' ', '\n'.join(block)).strip()
            block = []
            for one in command.split('\n'):
                if re.match(r'(gst-launch-1\.0|ffmpeg|build/examples/)', one):
                    lines.append((heading, one.strip()))
    return lines
