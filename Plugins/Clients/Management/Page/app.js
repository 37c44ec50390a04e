// The page: hears both nodes, shows what they say, and goes on by either when the other is gone.

import { attentionOf } from './attention.js';
import { chartsView } from './charts.js';
import { clientsView } from './clients.js';
import { ActionDialog } from './dialog.js';
import { fill, h, setText } from './dom.js';
import { verdictOf } from './loss.js';
import { pairOf } from './pair.js';
import { badge, time } from './parts.js';
import { pictureView, takeoverView } from './picture.js';
import { Samples } from './samples.js';
import { NodeSource } from './source.js';
import { Timeline } from './timeline.js';
import { Tokens } from './tokens.js';
import { list, span } from './units.js';
import { attentionView, verdictView } from './verdict.js';
import { volumesView } from './volumes.js';

const patienceMs = 3000; // For each node's first word, before the page says that it is missing.
const origin = location.origin;
const began = Date.now();
const tokens = new Tokens();
const samples = new Samples();
const timeline = new Timeline();
const sources = [new NodeSource(origin, url => tokens.of(url), hear)];
const returned = new Map();
const returnShownMs = 20_000;
const dialog = new ActionDialog();
const marks = { yes: '✓', no: '✕', soon: '▲', unknown: '?' };
let pair = pairOf(sources);
let due = false;

function hear(source, kind, said, before) {
  if (kind === 'status') {
    meet(source === sources[0] ? said.partnerUrl : null);
    if (before !== 'live') {
      back(source, before);
      void history(source);
    }
  } else if (kind === 'rates') {
    samples.hear(source, said, Date.now());
  } else if (kind === 'event') {
    timeline.take(said, source.skewMs);
  } else if (kind === 'lost' && before !== 'lost') {
    lost(source);
  } else if (kind === 'refused') {
    tokens.refused(source, sources);
  }

  soon();
}

/** Begins to ask the partner, whose address the first node tells. */
function meet(url) {
  if (!url || sources.some(source => source.url === url)) {
    return;
  }

  const source = new NodeSource(url, to => tokens.of(to), hear);
  sources.push(source);
  void source.run();
}

async function history(source) {
  try {
    const { events } = await source.ask('events?since=10m');
    events.forEach(event => timeline.take(event, source.skewMs));
    soon();
  } catch {
    // The stream says the same of a node that does not answer, and is asked again by itself.
  }
}

/** A node that was heard is heard no more: says so, and by whom the page goes on. */
function lost(source) {
  returned.delete(source);
  setText('alarm', lossText(source));
}

function lossText(source) {
  const other = sources.find(one => one !== source && one.state === 'live');
  const mine = source === sources[0];
  const name = `${nameOf(source)}${mine ? ', which this page came from,' : ''}`;
  const on = mine ? `This page goes on by ${other?.name} and comes back by itself.`
    : `This page goes on by ${other?.name} alone.`;
  return `${name} does not answer. ${other ? on : 'No node does: everything below is old.'}`;
}

function back(source, before) {
  tokens.accepted(source);
  if (before === 'lost') {
    const text = `${source.name} answers again, after ${span(source.awayMs / 1000)}.`;
    returned.set(source, { text, at: Date.now() });
    setText('say', text);
    setText('alarm', '');
  }
}

function nameOf(source) {
  return source.name ?? new URL(source.url).host;
}

/** Shows what has changed, a few times a second at most. */
function soon() {
  if (!due) {
    due = true;
    setTimeout(() => {
      due = false;
      show();
    }, 150);
  }
}

function show() {
  const now = Date.now();
  pair = pairOf(sources);
  const waits = now - began < patienceMs && sources.some(source => source.state === 'asking');
  const refused = sources.find(source => source.state === 'refused')?.refusal ?? null;
  const verdict = verdictOf(pair, refused);
  const silent = pair.names.length === 0;
  fill('notices', noticesView(now));
  if (waits) {
    return;
  }

  document.title = silent ? 'StorageOs pair'
    : `${marks[verdict.answer]} ${list(pair.names)} · StorageOs`;
  setText('title', silent ? 'StorageOs pair' : `Pair ${list(pair.names)}`);
  fill('sources', sources.map(sourceView));
  fill('verdict', verdictView(verdict));
  fill('attention', attentionView(attentionOf(pair)));
  fill('picture', pictureView(pair, now));
  fill('takeover', takeoverView(pair));
  fill('volumes', silent ? [] : volumesView(pair, samples.newest(now)));
  fill('charts', chartsView(pair, samples, now));
  fill('clients', clientsView(pair));
  fill('timeline', silent ? [] : timeline.view(pair, now));
  const live = sources.find(source => source.status);
  setText('foot', live ? `StorageOs ${live.status.version ?? ''}` : '');
  announce(verdict.headline);
}

let announced = '';
function announce(headline) {
  // Changes are said, the first answer is read by whoever comes to it.
  if (announced !== '' && announced !== headline) {
    setText('say', headline);
  }

  announced = headline;
}

function noticesView(now) {
  if (sources.every(source => source.state === 'lost')) {
    const last = sources.reduce((one, other) => one.lostAt > other.lostAt ? one : other);
    return [noticeView('bad', 'No answer', last,
      'No node answers any more: everything below is old.', last.lostAt)];
  }

  return sources.map(source => {
    const then = returned.get(source);
    if (source.state === 'live' && then && now - then.at < returnShownMs) {
      return noticeView('good', 'Back', source, then.text, then.at);
    }

    if (source.state !== 'lost') {
      return null;
    }

    const other = sources.find(one => one !== source && one.state === 'live');
    const moved = other && source === sources[0];
    return noticeView(other ? 'warn' : 'bad', moved ? 'Moved' : 'No answer', source,
      lossText(source), source.lostAt, moved ? other.url : null);
  }).filter(Boolean);
}

function noticeView(level, word, source, text, at, reopen = null) {
  return h('div', { class: `notice ${level}`, 'data-key': source.url },
    badge(level, word),
    h('p', {}, `${text} `, h('span', { class: 'quiet' }, time(at, Date.now()))),
    reopen ? h('button', { type: 'button', 'data-act': 'reopen', 'data-url': reopen },
      'Open this page there') : null);
}

function sourceView(source) {
  const level = { live: 'good', asking: 'unknown', lost: 'bad', refused: 'warn' }[source.state];
  const text = { live: 'live', asking: 'asking', lost: 'no answer', refused: 'refused' };
  return badge(level, `${nameOf(source)}: ${text[source.state]}`,
    source.role && source.state === 'live' ? ` as ${source.role}` : '');
}

document.addEventListener('click', event => {
  const button = event.target.closest('[data-act]');
  if (!button || button.getAttribute('aria-disabled') === 'true') {
    return;
  }

  const { act, group, node, url } = button.dataset;
  if (act === 'more') {
    timeline.more();
    soon();
  } else if (act === 'reopen') {
    location.assign(`${url}/#token=${encodeURIComponent(tokens.of(url) ?? '')}`);
  } else if (act === 'scrub') {
    dialog.openScrub(pair.names.map(name => pair.nodes[name]).filter(one => one.known));
  } else {
    dialog.open(act, pair, pair.groups.find(one => one.id === Number(group)), pair.nodes[node]);
  }
});

document.addEventListener('change', event => {
  const filter = event.target.dataset?.filter;
  if (filter) {
    timeline[filter] = event.target.value;
    soon();
  }
});

setInterval(() => {
  samples.hearPair(pair, Date.now());
  soon();
}, 1000);
void sources[0].run();
