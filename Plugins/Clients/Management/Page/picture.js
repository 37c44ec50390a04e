// The pair as a picture: two nodes and what is between them.

import { h } from './dom.js';
import { badge, facts, ofPage, time } from './parts.js';
import { hindrances, isLost, volumeNames } from './pair.js';
import { bytes, count, list, millis, span, words } from './units.js';

const steps = [
  ['Opening', 'Connect'], ['FirstRead', 'Read 1'], ['FirstWrite', 'Write 1'],
  ['SecondRead', 'Read 2'], ['SecondWrite', 'Write 2'], ['AwaitConfirmed', 'Confirmed'],
  ['PeerInfo', 'Peer info'], ['Proof', 'Proof of key'], ['ClientInfo', 'Clients'],
  ['Ports', 'Ports'], ['AwaitReady', 'Await ready'], ['Ready', 'Ready'],
];

/** Elements of the picture. */
export function pictureView(pair, now) {
  const [left, right] = pair.names.map(name => pair.nodes[name]);
  if (!left) {
    return [];
  }

  return [
    h('h2', { id: 'picture-title' }, 'The pair'),
    h('div', { class: 'picture' },
      nodeView(pair, left, now),
      right ? linkView(left, right) : null,
      right ? nodeView(pair, right, now) : null),
    witnessView(pair),
  ];
}

function nodeView(pair, node, now) {
  const serves = list(volumeNames(pair.groups.filter(group => group.server === node.name)));
  return h('article', {
    class: `node ${node.known ? '' : 'dark'}`, 'aria-label': `Node ${node.name}`,
    'data-key': `node-${node.name}`, 'data-node': node.name,
  },
  h('header', {}, h('h3', {}, node.name), phaseBadge(node)),
  node.known ? knownFacts(node, serves) : unknownFacts(node, now));
}

function phaseBadge(node) {
  if (!node.known) {
    return isLost(node) ? badge('bad', 'Unknown, likely lost') : badge('unknown', 'Unknown');
  }

  const { phase } = node.now;
  return badge(phase === 'Serving' ? 'good' : phase === 'Panicked' ? 'bad' : 'warn', words(phase));
}

function knownFacts(node, serves) {
  const said = node.now;
  const heard = node.partner?.now?.partner;
  const clients = said.clients ?? [];
  const total = key => clients.reduce((sum, client) => sum + (client[key] ?? 0), 0);
  return facts(
    ['Serves', serves || 'nothing now'],
    ['Beat', heard ? beatOf(heard, node)
      : `not known: only ${node.partner?.name ?? 'a partner'} hears it`],
    ['Clients', `${clients.filter(client => client.state === 'Ready').length} of ${clients.length}`
      + ` ready, ${count(total('ports'), 'port')}, ${bytes(total('memoryBytes'))}`],
    ['Promises', said.persistence === 'power'
      ? 'flushed data survives a power loss'
      : said.persistence === 'process' ? 'data survives a crash, not a power loss of both'
        : said.persistence],
    ['Process', said.pid ? `${said.pid}, epoch ${said.epoch}` : null]);
}

function beatOf(heard, node) {
  if (heard.condition !== 'Serving' && heard.condition !== 'Booting') {
    return `${words(heard.condition ?? 'not known').toLowerCase()}, says ${node.partner.name}`;
  }

  const gap = heard.largestBeatGapMs ?? 0;
  const limit = heard.beatLimitMs ?? 0;
  return [
    h('meter', {
      min: 0, max: limit || 1, value: Math.min(gap, limit || 1), high: limit * 0.7,
      'aria-label': `Largest gap of the beat of ${node.name}`,
    }, millis(gap)),
    ` gaps to ${millis(Math.round(gap))}, limit ${millis(Math.round(limit))}`,
  ];
}

function unknownFacts(node, now) {
  const { source } = node;
  const says = node.partner?.now;
  return facts(
    ['This page', !source ? 'has no address of it'
      : source.state === 'refused' ? ['was refused: ', source.refusal.refusal.actual]
        : source.heardAt ? [`${source.why || 'hears nothing'}; last word `,
          time(source.heardAt, now)]
          : source.why || 'has not heard it yet'],
    [`${node.partner?.name ?? 'Partner'} says`, says
      ? [`${words(says.partner?.condition ?? 'nothing').toLowerCase()}`,
        says.session?.state === 'Ready' ? ', session ready' : ', no session',
        says.partner?.lastEnd && says.session?.state !== 'Ready'
          ? ` (${says.partner.lastEnd})` : '']
      : 'nothing: it does not answer either'],
    ['Was', node.last ? words(node.last.phase).toLowerCase() : null],
    ['Address', source?.url]);
}

function linkView(left, right) {
  const tell = left.now ?? right.now;
  const ready = [left, right].some(node => node.now?.session?.state === 'Ready');
  const level = !tell ? 'unknown' : ready ? 'good' : 'bad';
  return h('div', { class: `link ${level}`, 'data-key': 'link' },
    h('div', { class: 'wire', 'aria-hidden': 'true' }, h('span', { class: 'beat' })),
    h('p', { class: 'transport' }, tell?.transport ?? 'transport not known',
      tell?.transportTraits?.oneSided === false ? ' (the partner’s process takes part)' : ''),
    badge(level, ready ? 'Session ready' : tell ? 'No session' : 'Not known'),
    ready ? null : [left, right].map(stepsView),
    h('ul', { class: 'paths' }, [left, right].filter(node => node.now?.session)
      .map(node => pathView(node))));
}

function pathView(node) {
  const { session } = node.now;
  const text = session.state === 'Ready'
    ? `${session.path || 'connected'}; session ${session.count}, made in `
      + millis(session.handshakeMs)
    : session.reason || `session is ${words(session.state).toLowerCase()}`;
  return h('li', {}, h('strong', {}, node.name), ` ${text}`);
}

function stepsView(node) {
  const step = node.now?.session?.step;
  if (!step) {
    return null;
  }

  const at = steps.findIndex(([name]) => name === step);
  const label = at < 0 ? `${words(step)}` : `step ${at + 1} of ${steps.length}, ${steps[at][1]}`;
  return h('div', { class: 'steps', 'data-key': `steps-${node.name}` },
    h('p', {}, `Handshake of ${node.name}: ${label}`),
    h('ol', { 'aria-hidden': 'true' }, steps.map((one, index) => h('li', {
      class: index < at ? 'done' : index === at ? 'current' : '', title: one[1],
    }))));
}

function witnessView(pair) {
  const said = pair.names.map(name => pair.nodes[name]).filter(node => node.now?.witness);
  return h('ul', { class: 'witness plain' }, said.map(node => {
    const { state, detail, description } = node.now.witness;
    const good = state === 'Found' || state === 'None';
    const text = state === 'Found' ? 'reachable' : state === 'None' ? 'none, on purpose'
      : state === 'Missing' ? 'empty' : 'unreachable';
    return h('li', {}, badge(state === 'None' ? 'info' : good ? 'good' : 'bad',
      `Witness of ${node.name}: ${text}`),
    h('span', { class: 'quiet' }, state === 'Found' ? description : detail || description));
  }));
}

/** Elements of both directions of a takeover. */
export function takeoverView(pair) {
  return pair.names.length < 2 ? [] : [
    h('h2', { id: 'takeover-title' }, 'Takeover'),
    h('div', { class: 'two' }, pair.names.map(name => directionView(pair, pair.nodes[name]))),
  ];
}

function directionView(pair, node) {
  const from = node.partner.name;
  const theirs = pair.groups.filter(group => group.server !== node.name);
  const all = theirs.flatMap(group => hindrances(node, group.id, 'any'));
  return h('article', { class: 'card', 'data-key': `take-${node.name}` },
    h('h3', {}, `${node.name} in place of ${from}`),
    !node.known ? h('p', {}, badge('unknown', 'Not known'), ` ${node.name} does not answer.`)
      : theirs.length === 0 && pair.groups.length > 0
        ? h('p', {}, badge('info', 'Nothing to take'), ` ${node.name} serves every group.`)
        : h('ul', { class: 'plain' },
          possible(node, `if ${from} is lost`, 'failover'),
          possible(node, 'on purpose', 'planned')),
    all.length === 0 ? null : h('ul', { class: 'hindrances' }, all.map(hindranceView)));
}

function possible(node, when, kind) {
  const may = node.now.takeover?.[kind];
  return h('li', {}, badge(may === undefined ? 'unknown' : may ? 'good' : 'bad',
    may === undefined ? 'Not known' : may ? 'Possible' : 'Not possible'), ` ${when}`);
}

/** One thing that hinders a takeover, with what to do. */
export function hindranceView(one) {
  const scope = one.planned === false ? 'hinders only takeovers from a lost partner'
    : one.failover === false ? 'hinders only moves on purpose' : 'hinders every takeover';
  const group = one.group === null || one.group === undefined ? '' : `Group ${one.group}: `;
  return h('li', { 'data-key': `${one.group}-${one.code}-${one.who ?? ''}` },
    h('p', {}, h('strong', {}, `${group}${one.what}`)),
    h('p', { class: 'remedy' }, `What to do: ${ofPage(one.remedy)}`),
    h('p', { class: 'quiet' }, `${scope}${one.ageSeconds > 0
      ? `, for ${span(one.ageSeconds)}` : ''}`));
}
