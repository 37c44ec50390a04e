// Groups with their volumes: who serves them, both copies, log, resync, and what can be done.

import { h } from './dom.js';
import { actions, badge, facts } from './parts.js';
import { isLost } from './pair.js';
import { progressOf } from './loss.js';
import { bytes, count, digits, micros, millis, span } from './units.js';

const syncs = { InSync: 'in sync', Stale: 'stale', New: 'new, never in sync', Moved: 'moved' };

/** Elements of the section; rates is the last sample of each volume, by name. */
export function volumesView(pair, rates) {
  if (pair.groups.length === 0) {
    return [
      h('h2', { id: 'volumes-title' }, 'Volumes'),
      h('p', { class: 'quiet' }, pair.names.some(name => pair.nodes[name].known)
        ? 'No node says anything of volumes yet.' : 'Not known while no node answers.'),
    ];
  }

  const live = pair.names.map(name => pair.nodes[name]).filter(node => node.known);
  const why = live.length === 0 ? 'No node answers' : mayNot(live[0]);
  return [
    h('div', { class: 'heading' },
      h('h2', { id: 'volumes-title' }, 'Volumes'),
      actions('scrub', why, ['Compare both copies now…', { act: 'scrub' }])),
    h('div', { class: 'groups' }, pair.groups.map(group => groupView(pair, group, rates))),
  ];
}

function groupView(pair, group, rates) {
  const well = group.server && group.sync === 'InSync';
  return h('article', { class: 'card group', 'data-key': `group-${group.id}`,
    'aria-label': `Group ${group.id}`, 'data-of': group.id },
  h('header', {},
    h('h3', {}, `Group ${group.id}`),
    badge(!group.server ? 'bad' : well ? 'good' : 'warn', group.server
      ? `Served by ${group.server}, ${group.state}` : `Not served, ${group.state}`)),
  group.why ? h('p', { class: 'because' }, group.why) : null,
  h('ul', { class: 'copies plain' }, pair.names.map(name => copyView(pair, group, name))),
  group.resync ? resyncView(group) : null,
  facts(
    ['Register', `owner ${group.owner ?? 'not known'}, term ${group.term ?? 'not known'}`],
    ['At home on', group.home === group.owner ? group.home
      : `${group.home ?? 'not known'}, away now`],
    ['Log', logView(group)],
    ['Last takeover', takenIn(group.lastTakeover)],
    ['Last move', movedIn(group.lastPlanned)]),
  h('ul', { class: 'volumes plain' }, group.volumes.map(volume => volumeView(volume, rates))),
  actionsOf(pair, group));
}

function copyView(pair, group, name) {
  const node = pair.nodes[name];
  const stale = group.staleNode === name;
  const dark = !node.known;
  const [level, text] = stale ? ['bad', group.resync ? 'being made equal' : 'stale']
    : dark ? ['unknown', isLost(node) ? 'node lost' : 'node unknown']
      : group.sync === 'InSync' ? ['good', 'in sync']
        : group.sync === 'Stale' ? ['good', 'the good copy']
          : ['warn', syncs[group.sync] ?? group.sync ?? 'not known'];
  return h('li', {}, h('strong', {}, `Copy on ${name}`), ' ', badge(level, text),
    group.server === name ? h('span', { class: 'quiet' }, ' serves') : null);
}

function resyncView(group) {
  const { resync } = group;
  // Copied and compared count alike: both have to be through.
  const total = (resync.bytesTotal ?? 0) + (resync.bytesToCompare ?? 0);
  const done = (resync.bytesDone ?? 0) + (resync.bytesCompared ?? 0);
  const share = total > 0 ? Math.floor(100 * done / total) : 0;
  return h('div', { class: 'resync' },
    h('p', {}, h('strong', {}, `Resync ${share} %`), ` ${progressOf(resync)}`),
    h('progress', {
      max: total || 1, value: done, 'aria-label': `Resync of group ${group.id}`,
    }, `${share} %`),
    h('p', { class: 'quiet' }, `${resync.kind}${resync.why ? `: ${resync.why}` : ''}`
      + `${resync.bytesPerSecond > 0 ? `; ${bytes(resync.bytesPerSecond)}/s` : ''}`
      + `${resync.mismatches > 0 ? `; ${count(resync.mismatches, 'extent')} differed` : ''}`));
}

function logView(group) {
  const log = group.log;
  if (!log || !log.capacityBytes) {
    return 'not known';
  }

  const share = 100 * log.usedBytes / log.capacityBytes;
  return [
    h('meter', {
      min: 0, max: log.capacityBytes, value: log.usedBytes, high: log.capacityBytes * 0.7,
      'aria-label': `Fill of the log of group ${group.id}`,
    }, `${digits(share)} %`),
    ` ${bytes(log.usedBytes)} of ${bytes(log.capacityBytes)} (${digits(Math.round(share))}\u00a0%)`,
  ];
}

function takenIn(last) {
  return last && last.takeoverMs !== undefined
    ? `noticed in ${millis(last.detectMs)}, served after ${millis(last.takeoverMs)}` : null;
}

function movedIn(last) {
  return last && last.totalMs !== null && last.totalMs !== undefined
    ? `took ${millis(last.totalMs)}, ${span(last.secondsAgo ?? 0)} ago` : null;
}

function volumeView(volume, rates) {
  const last = rates.get(volume.name);
  const scrub = volume.more.scrub;
  return h('li', { 'data-key': `volume-${volume.name}` },
    h('div', { class: 'name' }, h('strong', {}, volume.name),
      h('span', { class: 'quiet' }, ` ${bytes(volume.sizeBytes)}`)),
    facts(
      ['Address', volume.uri ? h('code', {}, volume.uri) : null],
      ['Connections', volume.export.connections],
      ['Writes', last ? `${digits(Math.round(last.writesPerSecond ?? 0))} a second`
        + (last.writeP99Us === null || last.writeP99Us === undefined
          ? '' : `, p99 ${micros(last.writeP99Us)}`) : 'not known yet'],
      ['Compared', scrubOf(scrub)],
      ['Waits', volume.waits || null]));
}

function scrubOf(scrub) {
  if (!scrub || scrub.state === 'NotHere') {
    return null;
  }

  const found = `${scrub.repaired > 0 ? `, ${scrub.repaired} repaired` : ''}`
    + `${scrub.unresolved > 0 ? `, ${scrub.unresolved} unresolved` : ''}`;
  const whole = scrub.passes > 0 ? count(scrub.passes, 'pass', 'passes') : 'no pass yet';
  return scrub.state === 'Running'
    ? `now, ${digits(scrub.extentsDone)} of ${digits(scrub.extents)} extents${found}`
      + `${scrub.secondsLeft > 0 ? `, ${span(scrub.secondsLeft)} left` : ''}`
    : `${whole}; oldest ${span(scrub.oldestUnverifiedSeconds ?? 0)} ago${found}`;
}

function actionsOf(pair, group) {
  const target = pair.nodes[pair.names.find(name => name !== (group.server ?? group.owner))];
  if (!target) {
    return null;
  }

  const why = target.known ? mayNot(target) : `${target.name} cannot be reached`;
  const away = group.home !== group.owner && group.home === target.name;
  const all = { group: group.id, node: target.name };
  return actions(`group-${group.id}`, why,
    away ? [`Bring home to ${target.name}…`, { act: 'giveback', ...all }, 'primary']
      : [`Move to ${target.name}…`, { act: 'takeover', ...all }],
    ['Check a move…', { act: 'check', ...all }]);
}

function mayNot(node) {
  return node.source?.role === 'operator' ? ''
    : 'Your token is a viewer’s: it may look, not act. Use an operator’s.';
}
