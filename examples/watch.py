#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watch and steer mloptimizer from Python: examples/watch.py [OPTION]... [LAUNCH LINE]

Plays a pipeline with one mloptimizer in it (by default a test picture, streamed to 127.0.0.1:5000 for the receiver of the
README), prints each of its decisions, and takes commands, one a line:

  PROPERTY VALUE   sets a property while it plays, as: max-bitrate 3000000
  preset NAME      loads a preset, as: preset metered
  hold / go        vetoes every change from now on / lets them pass again
  stats            what the element measures now
  quit             ends; so does Ctrl-C
"""

import argparse
import os
import signal
import sys

import gi

gi.require_version('Gst', '1.0')
from gi.repository import GLib, GObject, Gst  # noqa: E402

EXTENSION = 'extmap-1=http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'
STREAM = f'''rtpbin name=r rtp-profile=avpf
    videotestsrc is-live=true pattern=zone-plate kx2=8 ky2=6 kt=20 ! video/x-raw,width=1280,height=720,framerate=60/1
    ! mloptimizer ! x264enc tune=zerolatency speed-preset=superfast key-int-max=600 ! rtph264pay config-interval=-1
    ! application/x-rtp,payload=96,{EXTENSION} ! r.send_rtp_sink_0
    r.send_rtp_src_0 ! udpsink host=127.0.0.1 port=5000 sync=false async=false
    r.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=5001 sync=false async=false udpsrc port=5002 ! r.recv_rtcp_sink_0'''


def say(*words):
    print(*words, flush=True)


def find(pipeline):
    found = pipeline.iterate_all_by_element_factory_name('mloptimizer')
    result, element = found.next()
    return element if result == Gst.IteratorResult.OK else None


def fields(structure):
    names = (structure.nth_field_name(i) for i in range(structure.n_fields()))
    return {name: structure.get_value(name) for name in names}


class Watch:
    def __init__(self, line, preset, hold):
        self.loop, self.failed, self.hold, self.rest = GLib.MainLoop(), False, hold, ''
        self.pipeline = Gst.parse_launch(line)
        self.element = find(self.pipeline) if isinstance(self.pipeline, Gst.Bin) else None
        if not self.element:
            sys.exit('watch.py: there is no mloptimizer in the launch line')
        if preset and not self.element.load_preset(preset):
            sys.exit(f'watch.py: no preset {preset}; there are {", ".join(self.element.get_preset_names())}')
        self.element.connect('decision', self.on_decision)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect('message', self.on_message)

    def on_decision(self, element, decision):
        """Before a change, on the element's control thread: None lets it pass."""
        if not self.hold:
            return None
        answer = Gst.Structure.new_empty('answer')
        answer.set_value('veto', True)
        return answer

    def on_message(self, bus, message):
        if message.type == Gst.MessageType.ELEMENT and message.has_name('mloptimizer-decision'):
            d = fields(message.get_structure())
            size = f"{d['width']}x{d['height']}" if d['width'] else 'as it comes'
            rate = f"{d['framerate']:.1f} fps" if d['framerate'] else ''
            say(f"{d['bitrate'] / 1000:8.0f} kbit/s  {size:>11}  {rate:>9}  {d['state']:8}",
                f"{d['limiter']}: {d['reason']}")
        elif message.type == Gst.MessageType.WARNING:
            say('warning:', message.parse_warning()[0].message)
        elif message.type == Gst.MessageType.ERROR:
            say('error:', message.parse_error()[0].message)
            self.failed = True
            self.loop.quit()
        elif message.type == Gst.MessageType.EOS:
            self.loop.quit()

    def obey(self, line):
        name, _, value = line.strip().partition(' ')
        if name == 'quit':
            self.loop.quit()
        elif name in ('hold', 'go'):
            self.hold = name == 'hold'
        elif name == 'stats':
            stats = self.element.get_property('stats')  # keeps what is in it alive
            for field, value in fields(stats).items():
                say(f'  {field}: {value.to_string() if isinstance(value, Gst.Structure) else value}')
        elif name == 'preset':
            say(f'preset {value}' if self.element.load_preset(value) else f'no preset {value!r}')
        elif name:
            self.set(name, value)

    def set(self, name, value):
        spec = self.element.find_property(name)
        if not spec or not spec.flags & Gst.PARAM_MUTABLE_PLAYING:
            say(f'{name}: ' + ('cannot be set while playing' if spec else 'no such command or property'))
            return
        try:
            if spec.value_type in (GObject.TYPE_INT, GObject.TYPE_UINT):
                self.element.set_property(name, int(value))
            else:
                Gst.util_set_object_arg(self.element, name, value)
        except (ValueError, OverflowError, TypeError) as error:
            say(f'{name}: {error}')
            return
        say(f'{name} is {self.element.get_property(name)}')

    def on_input(self, channel, condition):
        data = os.read(channel, 4096)
        *lines, self.rest = (self.rest + data.decode(errors='replace')).split('\n')
        for line in lines:
            self.obey(line)
        return bool(data)

    def run(self):
        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, sys.stdin.fileno(), GLib.IOCondition.IN | GLib.IOCondition.HUP,
                              self.on_input)
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self.loop.quit)
        if self.pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE:
            self.loop.run()
        else:
            say('error: the pipeline does not start')
            self.failed = True
        self.pipeline.set_state(Gst.State.NULL)
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--preset', help='quality, balanced, low-latency or metered')
    parser.add_argument('--hold', action='store_true', help='begin with a veto of every change')
    parser.add_argument('line', nargs='*', help='launch line')
    arguments = parser.parse_args()
    Gst.init(None)
    try:
        watch = Watch(' '.join(arguments.line) or STREAM, arguments.preset, arguments.hold)
    except GLib.Error as error:
        sys.exit(f'watch.py: {error.message}')
    return watch.run()


sys.exit(main())
