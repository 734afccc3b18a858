/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live page: keeps the connection, the streams' histories and what is shown of them. */
'use strict';

const SILENT_MS = 3000;         // a server that says nothing for so long is lost
const RETRY_MS = [300, 600, 1200, 2500, 5000];
const OPEN_AT_FIRST = 3;        // streams that come unfolded
const MAX_DECISIONS = 64;
const YOUNG_MS = 30000;         // the least time that a chart shows
const FIGURES = [
  ['Bitrate', (v) => rate(v.bitrate_kbps)],
  ['Bandwidth', (v) => rate(v.bandwidth_kbps)],
  ['Queue', (v) => number(v.queue_delay_ms, 0, 'ms')],
  ['Loss', (v) => number(v.packet_loss * 100, v.packet_loss < 0.1 ? 1 : 0, '%')],
  ['Frames', (v) => number(v.fps, 0, '/s')],
  ['Size', (v) => (v.height ? [v.width ? `${v.width}×${v.height}` : String(v.height), v.width ? '' : 'lines'] : ['–', ''])],
  ['CPU', (v) => number(v.cpu_usage * 100, 0, '%')],
  ['Quality', (v) => number(v.quality_score * 100, 0, '%')],
];
const STATE_WORDS = { normal: 'normal', hold: 'waiting', backoff: 'backing off', fallback: 'fallback', offline: 'offline', measured: 'measured only' };

function number(value, digits, unit) {
  return Number.isFinite(value) ? [value.toFixed(digits), unit] : ['–', ''];
}

function rate(kbps) {
  if (!Number.isFinite(kbps)) return ['–', ''];
  return kbps < 1000 ? [kbps.toFixed(0), 'kbit/s'] : [(kbps / 1000).toFixed(kbps < 100000 ? 2 : 0), 'Mbit/s'];
}

function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

const $ = (id) => document.getElementById(id);

/* ---- token and theme ---- */

const settings = {
  get token() { return sessionStorage.getItem('token') || ''; },
  set token(value) { if (value) sessionStorage.setItem('token', value); else sessionStorage.removeItem('token'); },
  get theme() { return localStorage.getItem('theme') || ''; },
  set theme(value) { localStorage.setItem('theme', value); },
};

/* A link may bring the token behind the #, which no server sees; it does not stay in the address. */
function takeTokenFromAddress() {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!found) return;
  settings.token = found;
  history.replaceState(null, '', location.pathname);
}

function base64url(value) {
  return btoa(value).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

const systemDark = matchMedia('(prefers-color-scheme: dark)');

function applyTheme() {
  document.documentElement.dataset.theme = settings.theme || (systemDark.matches ? 'dark' : 'light');
  for (const stream of streams.values()) for (const chart of stream.charts) chart.recolor();
}

/* ---- one stream ---- */

class Stream {
  constructor(name, open) {
    this.name = name;
    this.rows = [];
    this.decisions = [];
    this.last = { values: {} };
    this.charts = [];
    this.open = open;
    this.visible = true;
    this.drawnAt = 0;
    this.build();
  }

  build() {
    this.root = $('stream-template').content.firstElementChild.cloneNode(true);
    this.part = (selector) => this.root.querySelector(selector);
    this.root.dataset.stream = this.name;
    text(this.part('.title'), this.name);
    this.figures = FIGURES.map(([label]) => {
      const box = document.createElement('div');
      const term = document.createElement('dt');
      const value = document.createElement('dd');
      term.textContent = label;
      value.append(document.createElement('span'), document.createElement('small'));
      box.append(term, value);
      this.part('.figures').append(box);
      return value;
    });
    this.part('.name').addEventListener('click', () => this.setOpen(!this.open));
    this.part('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.askLimits();
    });
    this.part('[name=own]').addEventListener('click', () => {
      this.part('form').reset();
      this.askLimits();
    });
    new IntersectionObserver((entries) => { this.visible = entries[entries.length - 1].isIntersecting; }).observe(this.root);
    this.setOpen(this.open);
  }

  setOpen(open) {
    this.open = open;
    this.part('.name').setAttribute('aria-expanded', String(open));
    this.part('.body').hidden = !open;
    if (open && this.charts.length === 0 && page.columns.length) {
      this.charts = CHARTS.map((spec) => new Chart(this.part('.charts'), spec, page.columns));
      this.loadHistory().catch(() => {});
    }
    if (!open) {
      for (const chart of this.charts) chart.destroy();
      this.charts = [];
      this.part('.charts').replaceChildren();
    }
  }

  /* What the server remembers and this page does not. */
  async loadHistory() {
    const since = this.rows.length && this.complete ? this.rows[this.rows.length - 1][0] : 0;
    const answer = await ask(`api/streams/${encodeURIComponent(this.name)}/history?since_ms=${since}`);
    if (!answer) return;
    const from = answer.points.length ? answer.points[0][0] : Infinity;
    const to = answer.points.length ? answer.points[answer.points.length - 1][0] : 0;
    this.rows = [...this.rows.filter((r) => r[0] < from), ...answer.points, ...this.rows.filter((r) => r[0] > to)];
    this.complete = true;
    this.draw(true);
  }

  update(state) {
    this.last = state;
    this.addDecisions(state.decisions);
    if (state.point && (!this.rows.length || state.point[0] > this.rows[this.rows.length - 1][0])) this.addRow(state.point);
    this.show();
  }

  /* What is told live may come before what the server remembers. */
  addDecisions(decisions) {
    const more = decisions.filter((d) => !this.decisions.some((known) => known.serial === d.serial));
    if (!more.length) return;
    this.decisions = [...this.decisions, ...more].sort((a, b) => a.serial - b.serial).slice(-MAX_DECISIONS);
    this.newDecisions = true;
  }

  /* Bounded as the server's memory is: old rows go, rows that left the fine time thin out. */
  addRow(row) {
    this.rows.push(row);
    const oldest = row[0] - page.historyMs;
    let drop = 0;
    while (this.rows[drop][0] < oldest) drop++;
    if (drop) this.rows.splice(0, drop);
    if (this.rows.length < page.maxRows) return;
    const fineFrom = row[0] - page.fineMs;
    const step = (r) => Math.floor(r[0] / page.coarseStepMs);
    this.rows = this.rows.filter((r, i) => r[0] >= fineFrom || i === 0 || step(r) !== step(this.rows[i - 1]));
  }

  show() {
    const { last } = this;
    const state = !last.online ? 'offline' : last.state || (last.controlled ? 'hold' : 'measured');
    const badge = this.part('.badge');
    const mode = this.part('.mode');
    badge.dataset.state = state;
    text(badge, STATE_WORDS[state] || state);
    mode.hidden = !(last.limits && last.limits.mode === 'observe');
    text(mode, 'observing only');
    text(this.part('.why'), last.online && last.reason ? `${last.reason}${last.limiter && last.limiter !== 'none' ? ` · ${last.limiter}` : ''}` : '');
    this.root.classList.toggle('offline', !last.online);
    FIGURES.forEach(([, read], i) => {
      const [value, unit] = read(last.values);
      text(this.figures[i].firstChild, value);
      text(this.figures[i].lastChild, unit);
    });
    if (this.open) {
      this.showLimits();
      this.showDecisions();
    }
  }

  showLimits() {
    const { limits, asked } = this.last;
    const words = (l) => [
      Number.isFinite(l.min_bitrate_kbps) || Number.isFinite(l.max_bitrate_kbps)
        ? `${Number.isFinite(l.min_bitrate_kbps) ? Math.round(l.min_bitrate_kbps) : '–'} to ${Number.isFinite(l.max_bitrate_kbps) ? Math.round(l.max_bitrate_kbps) : '–'} kbit/s` : '',
      l.mode || ''].filter(Boolean).join(', ');
    const able = page.mayLimit && this.last.controlled && page.live;
    const parts = [];
    if (limits) parts.push(`In force: ${words(limits)}.`);
    if (asked) parts.push(`Asked: ${words(asked)}.`);
    if (!page.mayLimit) parts.push('Changing them takes the server\'s token.');
    else if (!this.last.controlled) parts.push('Nobody controls this stream now.');
    text(this.part('.in-force'), parts.join(' '));
    if (this.part('fieldset').disabled === able) this.part('fieldset').disabled = !able;
  }

  askLimits() {
    const form = this.part('form');
    const message = { type: 'limits', stream: this.name };
    if (form.min.value !== '') message.min_bitrate_kbps = Number(form.min.value);
    if (form.max.value !== '') message.max_bitrate_kbps = Number(form.max.value);
    if (form.mode.value) message.mode = form.mode.value;
    if (message.min_bitrate_kbps > message.max_bitrate_kbps) {
      text(this.part('.answer'), 'The least is more than the most.');
      return;
    }
    text(this.part('.answer'), page.send(message) ? 'Sent.' : 'Not connected.');
    setTimeout(() => text(this.part('.answer'), ''), 4000);
  }

  showDecisions() {
    if (!this.newDecisions) return;
    this.newDecisions = false;
    this.part('tbody').replaceChildren(...this.decisions.slice().reverse().map((d) => {
      const row = document.createElement('tr');
      const picture = [d.width ? `${d.width}×${d.height}` : '', d.fps ? `${Math.round(d.fps)}/s` : ''].filter(Boolean).join(' ');
      const badge = document.createElement('span');
      badge.className = 'badge';
      badge.dataset.state = d.state;
      badge.textContent = STATE_WORDS[d.state] || d.state;
      for (const content of [clockText(d.time_ms), badge, rate(d.bitrate_kbps).join(' '), picture || '–',
        [d.reason, d.action === 'no_change' ? '' : `(${d.action.replace(/_/g, ' ')})`].filter(Boolean).join(' ')]) {
        const cell = document.createElement('td');
        cell.append(content);
        row.append(cell);
      }
      return row;
    }));
  }

  draw(now) {
    const every = page.windowMs > 300000 ? 1000 : page.windowMs > 60000 ? 500 : 0;
    if (!this.open || (!now && (!this.visible || document.hidden || performance.now() - this.drawnAt < every))) return;
    this.drawnAt = performance.now();
    /* A young stream fills the picture. */
    const young = this.rows.length ? Math.min(this.rows[0][0], page.nowMs - YOUNG_MS) : 0;
    const from = Math.max(page.nowMs - page.windowMs, young);
    for (const chart of this.charts) chart.draw(this.rows, from, page.nowMs);
  }

  destroy() {
    this.setOpen(false);
    this.root.remove();
  }
}

const streams = new Map();

/* ---- the page ---- */

const page = {
  columns: [], historyMs: 3600000, fineMs: 300000, coarseStepMs: 2000, maxRows: 6000,
  mayLimit: false, live: false, windowMs: 300000, nowMs: Date.now(), socket: null, heardAt: 0, tries: 0, retryAt: 0, frame: 0,

  send(message) {
    if (!this.live) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  },
};

function setLink(state, words) {
  $('link').dataset.state = state;
  text($('link-text'), words);
}

function banner(words) {
  $('banner').hidden = !words;
  text($('banner'), words);
}

async function ask(path) {
  try {
    const answer = await fetch(path, { headers: settings.token ? { Authorization: `Bearer ${settings.token}` } : {}, cache: 'no-store' });
    if (answer.status === 401) throw Object.assign(new Error('token'), { token: true });
    return answer.ok ? await answer.json() : null;
  } catch (error) {
    if (error.token) throw error;
    return null;
  }
}

function takeStreams(list) {
  const names = new Set(list.map((s) => s.name));
  for (const [name, stream] of streams) {
    if (names.has(name)) continue;
    stream.destroy();
    streams.delete(name);
  }
  for (const state of list) {
    let stream = streams.get(state.name);
    if (!stream) {
      stream = new Stream(state.name, streams.size < OPEN_AT_FIRST);
      streams.set(state.name, stream);
      $('streams').append(stream.root);
    }
    stream.update(state);
  }
  $('empty').hidden = list.length > 0;
}

function drawAll() {
  page.frame = 0;
  for (const stream of streams.values()) stream.draw(false);
}

function onMessage(message) {
  page.heardAt = performance.now();
  if (message.type === 'hello') {
    page.columns = message.columns;
    page.historyMs = message.history_ms;
    page.fineMs = message.fine_ms;
    page.coarseStepMs = message.coarse_step_ms;
    page.maxRows = 2 * (page.fineMs / message.tick_ms + page.historyMs / page.coarseStepMs);
    page.mayLimit = message.may_limit;
    page.live = true;
    page.tries = 0;
    text($('version'), `mloptimizer ${message.version}`);
    /* A link cannot bring the token along. */
    $('open-links').hidden = !!settings.token;
    setLink('live', 'Live');
    banner('');
    /* A server that was started anew counts its decisions from 1 again. */
    for (const stream of streams.values()) stream.decisions = [];
    refresh();
  } else if (message.type === 'live') {
    page.nowMs = message.now_ms;
    takeStreams(message.streams);
    if (!page.frame) page.frame = requestAnimationFrame(drawAll);
  } else if (message.type === 'error') {
    banner(message.message);
    setTimeout(() => { if (page.live) banner(''); }, 5000);
  }
}

/* All that is known, once a connection: what was missed while it was away. */
async function refresh() {
  const all = await ask('api/streams').catch(() => null);
  if (!all) return;
  page.nowMs = all.now_ms;
  takeStreams(all.streams);
  for (const stream of streams.values()) {
    if (stream.open && stream.charts.length) stream.loadHistory().catch(() => {});
    else if (stream.open) stream.setOpen(true);
  }
}

function lost() {
  if (page.socket) {
    page.socket.onclose = page.socket.onmessage = null;
    page.socket.close();
    page.socket = null;
  }
  page.live = false;
  const wait = RETRY_MS[Math.min(page.tries++, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
  page.retryAt = performance.now() + wait;
  setLink('lost', 'Connection lost');
  banner('Connection to the server lost. Trying again …');
  for (const stream of streams.values()) if (stream.open) stream.showLimits();
  setTimeout(connect, wait);
}

async function connect() {
  try {
    if (await ask('api/streams') === null) {
      lost();
      return;
    }
  } catch (error) {
    setLink('lost', 'Token needed');
    page.mayLimit = false;
    askToken(settings.token ? 'The server did not take this token.' : 'This server asks for a token.');
    return;
  }
  const url = new URL('live', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.hash = '';
  const protocols = ['mloptimizer-live'];
  if (settings.token) protocols.push(`bearer.${base64url(settings.token)}`);
  page.heardAt = performance.now();
  page.socket = new WebSocket(url, protocols);
  page.socket.onmessage = (event) => onMessage(JSON.parse(event.data));
  page.socket.onclose = lost;
}

function askToken(words) {
  const dialog = $('token-dialog');
  if (dialog.open) return;
  text($('token-text'), words || 'With the server\'s token you may see and change everything. It stays in this tab.');
  $('token-input').value = '';
  dialog.showModal();
}

function setUp() {
  takeTokenFromAddress();
  applyTheme();
  systemDark.addEventListener('change', applyTheme);
  $('theme-button').addEventListener('click', () => {
    settings.theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    applyTheme();
  });
  $('token-button').addEventListener('click', () => askToken(''));
  $('token-dialog').addEventListener('close', () => {
    if ($('token-dialog').returnValue !== 'ok') return;
    settings.token = $('token-input').value.trim();
    $('token-input').value = '';
    if (page.socket) lost();
    else connect();
  });
  for (const choice of document.querySelectorAll('[name=window]')) {
    choice.addEventListener('change', () => {
      page.windowMs = Number(choice.value) * 1000;
      for (const stream of streams.values()) stream.draw(true);
    });
    if (choice.checked) page.windowMs = Number(choice.value) * 1000;
  }
  addEventListener('resize', () => { for (const stream of streams.values()) for (const chart of stream.charts) chart.resize(); });
  setInterval(() => { if (page.socket && performance.now() - page.heardAt > SILENT_MS) lost(); }, 500);
  const socketUrl = location.href.replace(/^http/, 'ws').replace(/[#?].*$/, '');
  text($('empty-line'), `… ! mloptimizer server=${socketUrl}metrics ! x264enc …`);
  connect();
}

setUp();
