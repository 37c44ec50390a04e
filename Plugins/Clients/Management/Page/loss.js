// Answers "could I lose one node now, and if not, why and what do I do". Pure. Says yes only of
// what the nodes themselves say now: silence is never taken for health.

import { hindrances, isLost, volumeNames } from './pair.js';
import { bytes, list, span, words } from './units.js';

/** The answer for the pair: yes, no or unknown, with a headline and what to do. */
export function verdictOf(pair, refusal = null) {
  const live = pair.names.filter(name => pair.nodes[name].known);
  if (live.length === 0 && refusal) {
    return {
      answer: 'unknown',
      headline: refusal.status === 401 ? 'Not known: a token is needed.'
        : 'Not known: this page was refused.',
      detail: 'Who has no token is told nothing of the pair.',
      losses: [],
      todo: refusal.status === 401 ? []
        : [{ whats: [refusal.message], remedy: refusal.refusal.remedy }],
    };
  }

  if (live.length === 0) {
    return {
      answer: 'unknown',
      headline: 'Not known: no node answers this page.',
      detail: 'Nothing below is newer than the last word of a node. The pair may be well and only'
        + ' this page cut off.',
      losses: [],
      todo: [{
        whats: ['Neither node answers.'],
        remedy: 'look at the network from here to the nodes, then at the nodes: storageos status',
      }],
    };
  }

  const losses = pair.names.map(name => lossOf(pair, pair.nodes[name]));
  const stopped = pair.groups.filter(group => group.server === null);
  const todo = distinct([
    ...stopped.map(group => whyStopped(pair, group)), ...losses.flatMap(loss => loss.reasons)]);
  if (stopped.length > 0 && !losses.some(loss => loss.answer === 'unknown')) {
    return {
      answer: 'no',
      headline: `No. Nobody serves ${list(volumeNames(stopped)) || 'a group'} now.`,
      detail: 'Clients wait. Nothing that was acknowledged is lost by waiting.',
      losses,
      todo,
    };
  }

  return { ...headlineOf(pair, losses), losses, todo };
}

function headlineOf(pair, losses) {
  const gone = losses.find(loss => loss.answer === 'gone');
  const no = losses.filter(loss => loss.answer === 'no');
  if (gone) {
    const left = pair.nodes[gone.node].partner.name;
    return {
      answer: 'no',
      headline: `No. ${gone.node} is lost already: do not lose ${left}.`,
      detail: `${left} serves alone and has the only good copy of what was written since.`,
    };
  }

  const copying = pair.groups.find(group => group.resync);
  if (no.length > 0 && copying) {
    return {
      answer: 'soon',
      headline: `Not yet. ${pair.nodes[copying.toldBy].partner?.name} is being made equal: `
        + `do not lose ${copying.toldBy}.`,
      detail: progressOf(copying.resync),
    };
  }

  if (no.length > 0) {
    return {
      answer: 'no',
      headline: no.length > 1 ? 'No. Neither node can be lost now.'
        : `No. Do not lose ${no[0].node}.`,
      detail: no.length > 1 ? 'The pair serves, but nothing would take the place of a lost node.'
        : 'Clients would wait until it is back.',
    };
  }

  const dark = pair.names.find(name => !pair.nodes[name].known);
  return losses.some(loss => loss.answer === 'unknown') ? {
    answer: 'unknown',
    headline: dark ? `Not known: ${dark} does not answer this page.`
      : 'Not known: the nodes have not said yet what they could do.',
    detail: dark ? 'Only what its partner says of it is known.' : 'They are on their way up.',
  } : {
    answer: 'yes',
    headline: 'Yes. Either node can be lost now.',
    detail: 'Both copies of every volume are in sync and each node can go on without the other.',
  };
}

/** How far a resync is, in words. */
export function progressOf(resync) {
  const parts = [];
  if (resync.bytesTotal > 0) {
    parts.push(`${bytes(resync.bytesDone)} of ${bytes(resync.bytesTotal)} copied`);
  }

  if (resync.bytesToCompare > 0) {
    parts.push(`${bytes(resync.bytesCompared)} of ${bytes(resync.bytesToCompare)} compared`);
  }

  parts.push(resync.secondsLeft === null || resync.secondsLeft === undefined
    ? 'time left not known yet' : `about ${span(resync.secondsLeft)} left`);
  return `${parts.join(', ')}.`;
}

function lossOf(pair, lost) {
  const rest = lost.partner;
  const loss = { node: lost.name, rest: rest?.name ?? null, answer: 'yes', text: '', reasons: [] };
  if (!rest) {
    return { ...loss, answer: 'unknown', text: 'its partner is not known' };
  }

  if (isLost(lost)) {
    const end = rest.now.partner?.lastEnd ?? '';
    return {
      ...loss,
      answer: 'gone',
      text: `is lost already; ${rest.name} ${
        pair.groups.some(group => group.server === rest.name) ? 'serves alone' : 'does not serve'}`,
      reasons: [{
        what: `${lost.name} is ${words(rest.now.partner.condition).toLowerCase()}, says `
          + `${rest.name}${end ? ` (${end})` : ''}.`,
        remedy: `start ${lost.name}; it is copied to by itself and is in sync again after that`,
      }],
    };
  }

  if (isLost(rest)) {
    const all = list(volumeNames(pair.groups)) || 'anything';
    return { ...loss, answer: 'no', text: `${rest.name} is lost, so nobody would serve ${all}` };
  }

  const mine = pair.groups.filter(group => group.server === lost.name);
  const reasons = pair.groups.flatMap(group => group.server === rest.name
    ? goesOn(rest, group) : takesOver(rest, group));
  if (reasons.length === 0 && rest.known && lost.known && rest.now.session?.state !== 'Ready'
    && pair.groups.some(group => group.sync === 'InSync')) {
    reasons.push({
      what: `${rest.name} has no session with ${lost.name}.`,
      remedy: 'wait until they have found each other; if nothing moves, see the handshake below',
    });
  }

  loss.reasons = reasons;
  loss.answer = pair.groups.length === 0 || reasons.some(reason => reason.unknown)
    ? 'unknown' : reasons.length > 0 ? 'no' : 'yes';
  const moved = list(volumeNames(mine));
  const kept = list(volumeNames(pair.groups.filter(group => group.server === rest.name)));
  loss.text = loss.answer === 'yes'
    ? [moved && `${rest.name} takes over ${moved}`, kept && `${rest.name} keeps ${kept}`]
      .filter(Boolean).join(', ')
    : reasons[0]?.what ?? `${rest.name} has not said yet what it could do`;
  return loss;
}

// The one that is left serves the group already: it has to be able to say that it is alone.
function goesOn(rest, group) {
  const witness = rest.now?.witness?.state;
  if (!rest.known) {
    return [unheard(rest)];
  }

  return group.sync === 'InSync' && !['Found', 'None'].includes(witness) ? [{
    what: `${rest.name} would stop serving ${list(volumeNames([group]))}: its witness does not`
      + ' answer.',
    remedy: 'bring the witness back',
  }] : [];
}

function takesOver(rest, group) {
  const names = list(volumeNames([group])) || `group ${group.id}`;
  if (!rest.known) {
    return [unheard(rest)];
  }

  if (!Array.isArray(rest.now.takeover?.hindrances) && group.sync === 'InSync') {
    return [{ what: `${rest.name} has not said whether it could take over.`, unknown: true,
      remedy: `wait until ${rest.name} serves` }];
  }

  const copied = group.resync ? [{
    what: `${rest.name} lacks some of ${names}: ${group.server} is copying it there.`,
    remedy: 'wait, it ends by itself',
  }] : [];
  const explained = code => group.resync && ['stale', 'forgot'].includes(code);
  const rough = hindrances(rest, group.id, 'failover').filter(one => !explained(one.code));
  const found = [...copied, ...rough.map(one => ({
    what: `${rest.name} could not take over ${names}: ${shortOf(one, rest)}.`,
    remedy: one.remedy,
    seconds: one.ageSeconds,
  }))];
  return found.length > 0 || group.sync === 'InSync' ? found : [{
    what: `${names} has one good copy${group.server ? `, on ${group.server}` : ''}: ${
      group.staleNode ? `${group.staleNode} is stale` : `it is ${group.sync}`}.`,
    remedy: `wait until both copies are in sync; if nothing moves, see ${rest.name} below`,
  }];
}

// What a witness that is silent says at length is told once, further below.
function shortOf(one, node) {
  return one.code === 'witnessUnavailable' ? 'the witness does not answer'
    : one.what.replace(/^this node/, node.name);
}

function whyStopped(pair, group) {
  const node = pair.nodes[group.toldBy];
  const names = list(volumeNames([group])) || `group ${group.id}`;
  const silent = !['Found', 'None'].includes(node.now.witness?.state);
  return {
    what: `${names} is ${group.state}${group.why ? `: ${group.why}` : ''}.`,
    remedy: silent ? 'bring the witness back'
      : node.partner && !node.partner.known ? `start ${node.partner.name}`
        : 'wait a moment; if nothing moves, see what the nodes wait for, below',
  };
}

function unheard(node) {
  return {
    what: `${node.name} does not answer this page, so what it could do is not known.`,
    remedy: `see whether ${node.name} runs and whether its address can be reached from here`,
    unknown: true,
  };
}

// What has one remedy is one thing to do, however many volumes it concerns.
function distinct(reasons) {
  const all = new Map();
  for (const reason of reasons) {
    const one = all.get(reason.remedy);
    if (!one) {
      all.set(reason.remedy, { ...reason, whats: [reason.what] });
    } else if (!one.whats.includes(reason.what)) {
      one.whats.push(reason.what);
    }
  }

  return [...all.values()];
}
