/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of mloptimizer evaluate; the plots are drawn by dygraphs. */
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const names = data.controllers;
const shown = names.map(() => true);
const graphs = [];
const $ = (id) => document.getElementById(id);

/* The legend above is the legend of all. */
Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

const COLORS = { ours: 0, gcc: 1, 'gcc-probing': 2, omniscient: 9, 'omniscient-mean': 5, rules: 3, guard: 7, 'no-dqn': 6, 'no-predictor': 4 };
const PARTS = { 'no-dqn': 'quality optimizer', 'no-predictor': 'bitrate predictor', 'rule-ladder': 'optimizer over rules', guard: 'both networks', rules: 'networks over rules' };
const COLUMNS = [
  ['score', 'score', 1, 1, 1], ['mos', 'MOS', 1, 2, 1], ['bitrate_kbps', 'Mbit/s', 1e-3, 2, 1], ['utilisation', 'util. %', 100, 1, 1],
  ['delay_p50_ms', 'delay p50', 1, 0, -1], ['delay_p95_ms', 'p95', 1, 0, -1], ['delay_p99_ms', 'p99 ms', 1, 0, -1],
  ['delay_p95_clear_ms', 'p95 clear', 1, 0, -1], ['loss', 'loss %', 100, 2, -1], ['freezes', 'freezes / min', 'minute', 2, -1],
  ['freeze_s', 'frozen s / min', 'minute', 2, -1], ['switches', 'switches / min', 'minute', 1, -1], ['keyframes', 'key frames / min', 'minute', 1, -1],
];

const free = [8, 5, 4, 7, 6, 3];
const slots = names.map((name) => (name in COLORS ? COLORS[name] : free.shift() ?? 9));

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colorOf(i) {
  return css(`--c${slots[i]}`);
}

function make(tag, parent, text, className) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  if (parent) parent.append(e);
  return e;
}

function mark(parent, i) {
  make('i', parent).style.background = `var(--c${slots[i]})`;
}

function format(v, digits) {
  return v === null || v === undefined || !Number.isFinite(v) ? '–' : v.toFixed(digits);
}

/* A figure of one row of the table, [mean, spread]; by the minute where it counts. */
function figure(row, column) {
  const of = (name) => row[name] || [null, null];
  const pair = column[0] === 'switches' ? [of('size_changes')[0] + of('fps_changes')[0], null] : of(column[0]);
  const factor = column[2] === 'minute' ? 60 / row.seconds[0] : column[2];
  return pair.map((v) => (v === null ? null : v * factor));
}

/* What is under the pointer, with the marks of the legend. */
function tell(id, head, entries) {
  const box = $(id);
  if (!box) return;
  box.replaceChildren();
  if (head) make('b', box, head + '   ');
  for (const [i, text] of entries) {
    const key = make('span', box, undefined, 'key');
    if (i >= 0) mark(key, i);
    key.append(text);
  }
}

function common() {
  return {
    legend: 'never', highlightCircleSize: 3, interactionModel: {}, gridLineColor: css('--grid'), axisLineColor: css('--line'),
    axisLabelFontSize: 12, rightGap: 8, xRangePad: 0, gridLineWidth: 1,
  };
}

/* A plot that is made again when the colours or what is shown change. */
function plot(id, build) {
  const entry = { graph: null, draw() {
    if (entry.graph) entry.graph.destroy();
    entry.graph = build($(id));
  } };
  graphs.push(entry);
  entry.draw();
  return entry;
}

function visible(count, offset) {
  return Array.from({ length: count }, (_, k) => (k < offset ? true : shown[k - offset]));
}

/* Grouped bars: one group for each x, one bar for each series that is shown. */
function bars(e) {
  if (e.seriesIndex !== 0) return;
  const ctx = e.drawingContext;
  const all = e.allSeriesPoints;
  const zero = e.dygraph.toDomYCoord(0);
  const room = e.dygraph.toDomXCoord(1) - e.dygraph.toDomXCoord(0);
  const width = Math.min(0.8 * room / all.length, 34);
  all.forEach((points, s) => {
    ctx.fillStyle = e.dygraph.getColors()[s];
    for (const p of points) {
      if (!Number.isFinite(p.yval)) continue;
      const x = p.canvasx + (s - all.length / 2) * width;
      ctx.fillRect(x + width * 0.06, Math.min(p.canvasy, zero), width * 0.88, Math.abs(zero - p.canvasy));
      const spread = e.dygraph.spreads && e.dygraph.spreads(s, p.xval);
      if (spread) {
        const d = Math.abs(e.dygraph.toDomYCoord(spread) - e.dygraph.toDomYCoord(0));
        ctx.fillStyle = css('--ink');
        ctx.fillRect(x + width / 2 - 0.75, p.canvasy - d, 1.5, 2 * d);
        ctx.fillStyle = e.dygraph.getColors()[s];
      }
    }
  });
}

/* @rows: [label, values]; @series: indices of controllers; @spreads (series, row) or null. */
function barPlot(id, readout, rows, series, labels, spreads, least) {
  plot(id, (box) => {
    const use = series.map((c, s) => s).filter((s) => shown[series[s]]);
    tell(readout, '', []);
    if (!use.length) return new Dygraph(box, [[0, null]], { ...common(), labels: ['x', 'none'] });
    const points = rows.map((row, x) => [x, ...use.map((s) => row[1][s])]);
    const values = points.flatMap((p) => p.slice(1)).filter((v) => Number.isFinite(v));
    const low = Math.min(0, ...values), high = Math.max(least, ...values);
    const names_ = rows.map((row) => row[0]);
    const key = () => tell(readout, '', use.map((s) => [series[s], labels[s]]));
    const show = (x) => tell(readout, names_[x], use.map((s) => [series[s], `${labels[s]} ${format(rows[x][1][s], 1)}`]));
    const graph = new Dygraph(box, points, {
      ...common(), labels: ['x', ...use.map((s) => labels[s])], colors: use.map((s) => colorOf(series[s])), plotter: bars,
      dateWindow: [-0.5, rows.length - 0.5], valueRange: [low < 0 ? low * 1.15 : 0, high * 1.12], highlightCircleSize: 0,
      axes: {
        x: { drawGrid: false, ticker: () => names_.map((label, v) => ({ v, label })), axisLabelWidth: 70 },
        y: { axisLabelWidth: 34, pixelsPerLabel: 40 },
      },
      highlightCallback: (event, x) => show(x), unhighlightCallback: key,
    });
    key();
    graph.spreads = spreads && ((s, x) => spreads(use[s], x));
    graph.updateOptions({});
    return graph;
  });
}

function legend() {
  names.forEach((name, i) => {
    const button = make('button', $('legend'));
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    mark(button, i);
    button.append(name);
    button.addEventListener('click', () => {
      shown[i] = !shown[i];
      button.setAttribute('aria-pressed', String(shown[i]));
      graphs.forEach((g) => g.draw());
    });
  });
}

function tiles() {
  const rows = data.kinds[0].rows;
  names.map((name, i) => i).sort((a, b) => rows[b].score[0] - rows[a].score[0]).forEach((i) => {
    const row = rows[i];
    const tile = make('div', $('summary'), undefined, 'tile');
    tile.style.setProperty('--mark', `var(--c${slots[i]})`);
    make('h2', tile, names[i]);
    make('b', tile, format(row.score[0], 1));
    if (row.score[1] !== null) make('small', tile, `± ${format(row.score[1], 1)}`);
    make('p', tile, `${format(row.bitrate_kbps[0] / 1e3, 1)} Mbit/s, ${format(100 * row.utilisation[0], 0)} %`);
    make('p', tile, `p95 ${format(row.delay_p95_ms[0], 0)} ms, frozen ${format(row.freeze_s[0] * 60 / row.seconds[0], 1)} s/min`);
  });
}

function kinds() {
  const all = names.map((name, i) => i);
  barPlot('plot-kinds', 'read-kinds', data.kinds.map((k) => [k.name, k.rows.map((r) => r.score[0])]), all, names,
    (s, x) => data.kinds[x].rows[s].score[1], 1);
}

function ablation() {
  const ours = names.indexOf('ours');
  const parts = names.map((name, i) => i).filter((i) => names[i] in PARTS);
  if (ours < 0 || !parts.length) {
    $('ablation').hidden = true;
    return;
  }
  barPlot('plot-ablation', 'read-ablation', data.kinds.map((k) => [k.name, parts.map((i) => k.rows[ours].score[0] - k.rows[i].score[0])]),
    parts, parts.map((i) => `${PARTS[names[i]]} (less ${names[i]})`), null, 0.5);
}

function fillTable(kind) {
  const table = $('table');
  table.replaceChildren();
  const head = make('tr', make('thead', table));
  make('th', head, 'controller');
  COLUMNS.forEach((column) => make('th', head, column[1]));
  const figures = data.kinds[kind].rows.map((row) => COLUMNS.map((column) => figure(row, column)));
  const best = COLUMNS.map((column, c) => {
    const values = figures.map((f) => f[c][0]).filter((v) => v !== null && Number.isFinite(v));
    return column[4] > 0 ? Math.max(...values) : Math.min(...values);
  });
  const body = make('tbody', table);
  names.forEach((name, i) => {
    const tr = make('tr', body);
    const first = make('td', tr, undefined, 'key');
    mark(first, i);
    first.append(name);
    COLUMNS.forEach((column, c) => {
      const [mean, spread] = figures[i][c];
      const td = make('td', tr, format(mean, column[3]), mean === best[c] ? 'best' : '');
      if (spread !== null && Number.isFinite(spread)) make('small', td, ` ±${format(spread, column[3])}`);
    });
  });
}

function options(select, labels, chosen) {
  labels.forEach((label, i) => {
    const option = make('option', select, label);
    option.value = i;
    option.selected = i === chosen;
  });
}

/* The share of links at or below each of two hundred values. */
function cdf(id, field, factor, log, digits, unit) {
  const card = $(id);
  const readout = make('span', make('p', card, 'Share of links at or below, %. ', 'note'), undefined, 'readout');
  readout.id = `read-${id}`;
  const box = make('div', card, undefined, 'plot');
  box.id = `plot-${id}`;
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', 'Distribution over the links');
  const counted = data.links.map((l, i) => i).filter((i) => !data.kinds[data.links[i].kind].apart);
  const scale = (v) => (log ? Math.log10(Math.max(v * factor, 1e-3)) : v * factor);
  const sorted = data.values[field].map((values) => counted.map((i) => values[i]).filter((v) => v !== null).map(scale).sort((a, b) => a - b));
  const ends = sorted.flatMap((v) => (v.length ? [v[0], v[v.length - 1]] : []));
  if (!ends.length) {
    card.hidden = true;
    return;
  }
  const low = Math.min(...ends), span = Math.max(Math.max(...ends) - low, 1e-6);
  const at = (values, x) => {
    let a = 0, b = values.length;
    while (a < b) {
      const m = (a + b) >> 1;
      if (values[m] <= x) a = m + 1; else b = m;
    }
    return values.length ? 100 * a / values.length : null;
  };
  const points = Array.from({ length: 201 }, (_, k) => low + span * k / 200).map((x) => [x, ...sorted.map((v) => at(v, x))]);
  const text = (x) => format(log ? 10 ** x : x, log && 10 ** x > 100 ? 0 : digits);
  const ticks = (a, b) => [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000].map((v) => ({ v: Math.log10(v), label: String(v) })).filter((t) => t.v >= a && t.v <= b);
  plot(box.id, () => new Dygraph(box, points, {
    ...common(), labels: ['x', ...names], colors: names.map((n, i) => colorOf(i)), visibility: visible(names.length, 0), strokeWidth: 1.7,
    valueRange: [0, 101],
    axes: { x: { drawGrid: false, axisLabelFormatter: (x) => text(x), pixelsPerLabel: 60, ...(log ? { ticker: ticks } : {}) }, y: { axisLabelWidth: 34, pixelsPerLabel: 40 } },
    highlightCallback: (event, x, hits) => tell(readout.id, `${text(x)} ${unit}`, hits.map((h) => [names.indexOf(h.name), `${h.name} ${format(h.yval, 0)}`])),
    unhighlightCallback: () => tell(readout.id, '', []),
  }));
}

/* An outage makes queues of seconds, a good link one of milliseconds: both are to be seen. */
const LEAST_QUEUE = 1;

function decades(a, b) {
  return [1, 10, 100, 1000, 10000].filter((v) => v >= a && v <= b).map((v) => ({ v, label: String(v) }));
}

function overTime() {
  const select = $('link');
  const label = (p) => {
    const link = data.links[p.link];
    return `${data.kinds[link.kind].name}: ${link.name} (seed ${link.seed}, ${names[0]} ${format(data.values.score[0][p.link], 1)})`;
  };
  /* The one on which the controllers differ most. */
  const spread = (p) => Math.max(...data.values.score.map((v) => v[p.link])) - Math.min(...data.values.score.map((v) => v[p.link]));
  const first = data.plots.reduce((best, p, i) => (spread(p) > spread(data.plots[best]) ? i : best), 0);
  options(select, data.plots.map(label), first);
  const now = () => data.plots[Number(select.value)];
  const show = (x, i) => {
    const p = now();
    tell('read-time', `${format(x, 1)} s, link ${format(p.capacity[i][1] / 1e3, 2)}`, names.map((n, k) => k).filter((k) => shown[k])
      .map((k) => [k, `${names[k]} ${format(p.runs[k].rate[i] / 1e3, 2)}, ${format(p.runs[k].queue[i], 0)} ms`]));
  };
  const onHover = { highlightCallback: (event, x, hits, i) => show(x, i), unhighlightCallback: () => tell('read-time', '', []) };
  const rate = plot('plot-rate', (box) => new Dygraph(box, now().capacity.map((row, i) => [row[0], row[1] / 1e3, ...now().runs.map((r) => r.rate[i] / 1e3)]), {
    ...common(), ...onHover, labels: ['s', 'link', ...names], colors: [css('--capacity'), ...names.map((n, i) => colorOf(i))],
    visibility: visible(names.length + 1, 1), strokeWidth: 1.4, series: { link: { fillGraph: true, stepPlot: true, strokeWidth: 1 } }, fillAlpha: 0.2,
    valueRange: [0, 1.1 * Math.max(...now().runs.flatMap((r) => r.rate)) / 1e3 * 1.25],
    axes: { x: { drawGrid: false, axisLabelFormatter: (x) => `${x} s` }, y: { axisLabelWidth: 42, pixelsPerLabel: 40 } },
  }));
  const queue = plot('plot-queue', (box) => new Dygraph(box, now().capacity.map((row, i) => [row[0], ...now().runs.map((r) => Math.max(r.queue[i], LEAST_QUEUE))]), {
    ...common(), ...onHover, labels: ['s', ...names], colors: names.map((n, i) => colorOf(i)), visibility: visible(names.length, 0), strokeWidth: 1.3,
    axes: { x: { drawGrid: false, axisLabelFormatter: (x) => `${x} s` }, y: { axisLabelWidth: 42, pixelsPerLabel: 40, ticker: decades } }, logscale: true,
    valueRange: [LEAST_QUEUE, 2 * Math.max(50, ...now().runs.flatMap((r) => r.queue))],
  }));
  select.addEventListener('change', () => { rate.draw(); queue.draw(); });
}

function rivals() {
  if (names.length < 2) {
    $('rivals').hidden = true;
    return;
  }
  const rival = ['gcc-probing', 'gcc', 'rules'].map((n) => names.indexOf(n)).find((i) => i > 0) ?? 1;
  options($('one'), names, 0);
  options($('other'), names, rival);
  const pairs = () => {
    const a = data.values.score[Number($('one').value)], b = data.values.score[Number($('other').value)];
    return data.links.map((l, i) => [i, a[i] - b[i]]).filter((p) => Number.isFinite(p[1]) && !data.kinds[data.links[p[0]].kind].apart)
      .sort((x, y) => x[1] - y[1]);
  };
  const title = (i) => `${data.kinds[data.links[i].kind].name}: ${data.links[i].name} (seed ${data.links[i].seed})`;
  const worst = () => {
    const a = Number($('one').value), b = Number($('other').value), table = $('worst'), all = pairs();
    table.replaceChildren();
    const head = make('tr', make('thead', table));
    ['link', 'difference', names[a], names[b], `Mbit/s ${names[a]}`, names[b], `p95 ms ${names[a]}`, names[b]].forEach((t) => make('th', head, t));
    const body = make('tbody', table);
    all.slice(0, 10).forEach(([i, d]) => {
      const tr = make('tr', body), v = data.values;
      make('td', tr, title(i));
      make('td', tr, (d > 0 ? '+' : '') + format(d, 1), d < 0 ? 'down' : 'up');
      [a, b].forEach((k) => make('td', tr, format(v.score[k][i], 1)));
      [a, b].forEach((k) => make('td', tr, format(v.bitrate_kbps[k][i] / 1e3, 2)));
      [a, b].forEach((k) => make('td', tr, format(v.delay_p95_ms[k][i], 0)));
    });
    const above = all.filter((p) => p[1] > 0).length, near = all.filter((p) => p[1] >= -1).length;
    $('won').textContent = `Higher on ${above} of ${all.length}; higher or within one point on ${near}.`;
  };
  const drawn = plot('plot-rivals', (box) => {
    const all = pairs();
    worst();
    return new Dygraph(box, all.map((p, x) => [x, p[1]]), {
      ...common(), labels: ['link', 'difference'], colors: [colorOf(Number($('one').value))], fillGraph: true, fillAlpha: 0.25, strokeWidth: 1.6,
      axes: { x: { drawGrid: false, pixelsPerLabel: 80, axisLabelFormatter: (x) => (Number.isInteger(x) ? String(x) : '') }, y: { axisLabelWidth: 34, pixelsPerLabel: 40 } },
      highlightCallback: (event, x) => tell('read-rivals', '', [[-1, `${title(all[x][0])}: ${format(all[x][1], 1)}`]]),
      unhighlightCallback: () => tell('read-rivals', '', []),
    });
  });
  ['one', 'other'].forEach((id) => $(id).addEventListener('change', drawn.draw));
}

function predictions() {
  if (!data.kinds[0].prediction) {
    $('predictions').hidden = true;
    return;
  }
  const table = $('prediction');
  const head = make('tr', make('thead', table));
  ['kind', 'mean |log error|', 'as a factor', 'above the label', 'below'].forEach((t) => make('th', head, t));
  const body = make('tbody', table);
  data.kinds.forEach((k) => {
    const tr = make('tr', body), [error, over, under] = k.prediction;
    make('td', tr, k.name);
    [format(error, 3), '× ' + format(Math.exp(error), 2), format(over, 3), format(under, 3)].forEach((t) => make('td', tr, t));
  });
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  $('theme').textContent = dark ? 'Light' : 'Dark';
  graphs.forEach((g) => g.draw());
}

const links = data.links.filter((l) => !data.kinds[l.kind].apart).length;
$('about').textContent = `${names.length} controllers on ${links} simulated links` + (links < data.links.length ? ` and ${data.links.length - links} counted apart` : '')
  + `; ${data.models} model${data.models > 1 ? 's' : ''}, ${data.seeds} seed${data.seeds > 1 ? 's' : ''}.`;
$('asked').textContent = 'mloptimizer ' + data.asked;
$('made').textContent = `mloptimizer ${data.version}, ${data.date}`;
const prefers = matchMedia('(prefers-color-scheme: dark)');
setTheme(prefers.matches);
prefers.addEventListener('change', () => setTheme(prefers.matches));
$('theme').addEventListener('click', () => setTheme(document.documentElement.dataset.theme !== 'dark'));
legend();
tiles();
kinds();
overTime();
options($('kind'), data.kinds.map((k) => k.name), 0);
$('kind').addEventListener('change', () => fillTable(Number($('kind').value)));
fillTable(0);
cdf('cdf-score', 'score', 1, false, 1, '');
cdf('cdf-delay', 'delay_p95_ms', 1, true, 0, 'ms');
cdf('cdf-utilisation', 'utilisation', 100, false, 0, '%');
cdf('cdf-rate', 'bitrate_kbps', 1e-3, false, 1, 'Mbit/s');
ablation();
rivals();
predictions();
