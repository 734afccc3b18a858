/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The four charts of a stream, drawn by dygraphs. A row is [time_ms, ...columns] with null for what is not known. */
'use strict';

const CHARTS = [
  { title: 'Rate', unit: 'Mbit/s', scale: 1e-3, digits: 2, shadeKey: 'backing off',
    lines: [
      { column: 'bandwidth_kbps', label: 'bandwidth', color: '--bandwidth', fill: true },
      { column: 'encoded_kbps', label: 'encoded', color: '--encoded' },
      { column: 'bitrate_kbps', label: 'bitrate', color: '--bitrate', width: 2 },
    ] },
  { title: 'Delay', unit: 'ms', scale: 1, digits: 0, least: 50,
    lines: [
      { column: 'latency_ms', label: 'round trip', color: '--latency' },
      { column: 'queue_delay_ms', label: 'queue', color: '--queue', width: 2, fill: true },
    ] },
  { title: 'Loss', unit: '%', scale: 100, digits: 1, least: 2,
    lines: [{ column: 'packet_loss', label: 'packets lost', color: '--loss', width: 1.6, fill: true }] },
  { title: 'Frames and CPU', unit: '', scale: 1, digits: 0, least: 100,
    lines: [
      { column: 'fps', label: 'frames a second', color: '--fps', width: 2 },
      { column: 'cpu_usage', label: 'CPU %', color: '--cpu', scale: 100 },
      { column: 'quality_score', label: 'quality %', color: '--quality', scale: 100 },
    ] },
];

/* A line breaks where nothing came for so long. */
const GAP_MS = 6000;
const STATE_SHADES = { 2: '--backoff-shade', 3: '--fallback-shade' };

/* The headings are the legend; dygraphs' own would set styles that the page's security policy forbids. */
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

function cssColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clockText(ms) {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}

class Chart {
  constructor(parent, spec, columns) {
    this.spec = spec;
    this.index = spec.lines.map((line) => columns.indexOf(line.column));
    this.stateIndex = columns.indexOf('state');
    this.rows = [];
    this.box = document.createElement('section');
    this.box.className = 'chart';
    this.heading = document.createElement('h3');
    this.heading.append(spec.title + (spec.unit ? ', ' + spec.unit : ''));
    this.values = spec.lines.map((line) => {
      const key = document.createElement('span');
      const mark = document.createElement('i');
      const value = document.createElement('b');
      key.className = 'key';
      mark.style.background = `var(${line.color})`;
      key.append(mark, line.label, value);
      this.heading.append(key);
      return value;
    });
    if (spec.shadeKey) {
      const key = document.createElement('span');
      key.className = 'key shade';
      key.append(document.createElement('i'), spec.shadeKey);
      this.heading.append(key);
    }
    this.when = document.createElement('span');
    this.when.className = 'when';
    this.heading.append(this.when);
    this.plot = document.createElement('div');
    this.plot.className = 'plot';
    this.plot.setAttribute('role', 'img');
    this.box.append(this.heading, this.plot);
    parent.append(this.box);
    this.graph = null;
    this.hovered = false;
    this.seen = true;
  }

  scaleOf(i) {
    return this.spec.lines[i].scale || this.spec.scale;
  }

  /* The rows inside the window, scaled, broken at gaps. */
  points(rows, from) {
    const out = [];
    let before = 0;
    let start = 0;
    while (start < rows.length && rows[start][0] < from) start++;
    for (let r = Math.max(0, start - 1); r < rows.length; r++) {
      const row = rows[r];
      if (before && row[0] - before > GAP_MS) out.push([before + 1, ...this.index.map(() => null)]);
      out.push([row[0], ...this.index.map((c, i) => (c < 0 || row[c] === null ? null : row[c] * this.scaleOf(i)))]);
      before = row[0];
    }
    return out;
  }

  setValues(row) {
    this.values.forEach((value, i) => {
      const v = row ? row[this.index[i]] : null;
      value.textContent = v === null || v === undefined ? '–' : (v * this.scaleOf(i)).toFixed(this.spec.digits);
    });
  }

  options() {
    const series = {};
    this.spec.lines.forEach((line) => {
      series[line.label] = { strokeWidth: line.width || 1.2, fillGraph: !!line.fill };
    });
    return {
      labels: ['time', ...this.spec.lines.map((line) => line.label)],
      colors: this.spec.lines.map((line) => cssColor(line.color)),
      series, fillAlpha: 0.13, legend: 'never', showLabelsOnHighlight: false, highlightCircleSize: 3, interactionModel: {},
      gridLineColor: cssColor('--grid'), axisLineColor: cssColor('--line'), axisLabelFontSize: 12, rightGap: 8,
      xRangePad: 0,
      axes: {
        x: { ticker: Dygraph.dateTicker, axisLabelFormatter: (ms) => clockText(ms), pixelsPerLabel: 90, drawGrid: false,
          valueFormatter: (ms) => clockText(ms) },
        y: { axisLabelWidth: 38, pixelsPerLabel: 34, includeZero: true },
      },
      highlightCallback: (event, x) => {
        const row = this.rows.find((r) => r[0] === x);
        this.hovered = true;
        this.when.textContent = clockText(x);
        this.setValues(row);
      },
      unhighlightCallback: () => {
        this.hovered = false;
        this.when.textContent = '';
        this.setValues(this.rows[this.rows.length - 1]);
      },
      underlayCallback: (canvas, area, graph) => this.shade(canvas, area, graph),
    };
  }

  /* Times in which the guard was at work. */
  shade(canvas, area, graph) {
    const [from, to] = graph.xAxisRange();
    let begin = null;
    let state = 0;
    const paint = (end) => {
      const left = Math.max(area.x, graph.toDomXCoord(begin));
      const right = Math.min(area.x + area.w, graph.toDomXCoord(end));
      canvas.fillStyle = cssColor(STATE_SHADES[state]);
      if (right > left) canvas.fillRect(left, area.y, Math.max(1, right - left), area.h);
    };
    let last = null;
    for (const row of this.rows) {
      if (row[0] < from || row[0] > to) continue;
      const now = STATE_SHADES[row[this.stateIndex]] ? row[this.stateIndex] : 0;
      const gap = last !== null && row[0] - last > GAP_MS;
      if (begin !== null && (now !== state || gap)) {
        paint(gap ? last : row[0]);
        begin = null;
      }
      if (now && begin === null) {
        begin = row[0];
        state = now;
      }
      last = row[0];
    }
    if (begin !== null) paint(last);
  }

  draw(rows, from, to) {
    const points = this.points(rows, from);
    let top = 0;
    for (const p of points) for (let i = 1; i < p.length; i++) if (p[0] >= from && p[i] > top) top = p[i];
    const changes = { file: points.length ? points : [[to, ...this.index.map(() => null)]], dateWindow: [from, to],
      valueRange: [0, Math.max(this.spec.least || 0.1, top) * 1.08] };
    this.rows = rows;
    if (!this.graph) this.graph = new Dygraph(this.plot, changes.file, { ...this.options(), ...changes });
    else this.graph.updateOptions(changes);
    if (!this.hovered) this.setValues(rows[rows.length - 1]);
    this.plot.setAttribute('aria-label', this.spec.title + ': '
      + this.spec.lines.map((line, i) => line.label + ' ' + this.values[i].textContent).join(', '));
  }

  recolor() {
    if (this.graph) this.graph.updateOptions(this.options());
  }

  resize() {
    if (this.graph) this.graph.resize();
  }

  destroy() {
    if (this.graph) this.graph.destroy();
    this.graph = null;
  }
}
