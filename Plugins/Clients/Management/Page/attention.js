// What else is not as it should be, beside the question of the hour. Pure.

import { isLost } from './pair.js';
import { span, words } from './units.js';

/** Things to look at, worst first: level, what, and what to do where somebody says it. */
export function attentionOf(pair) {
  const all = [];
  const add = (level, what, remedy = '') => all.push({ level, what, remedy });
  for (const name of pair.names) {
    ofNode(pair.nodes[name], add);
  }

  for (const group of pair.groups) {
    if (group.giveback?.what) {
      const left = group.giveback.secondsLeft;
      add('info', `Group ${group.id} is away from home: ${left > 90
        ? `giveback to ${group.giveback.home} in ${span(left)}` : group.giveback.what}.`,
      ['waiting', 'held', 'latched'].includes(group.giveback.state)
        ? 'bring it home with its button under Volumes, when it suits you' : '');
    }
  }

  const rank = { bad: 0, warn: 1, info: 2 };
  return all.sort((one, other) => rank[one.level] - rank[other.level]);
}

function ofNode(node, add) {
  const said = node.now;
  if (!said) {
    if (!isLost(node) && node.source?.state === 'refused') {
      const { refusal } = node.source.refusal;
      add('warn', `${node.name} refuses this page: expected ${refusal.expected}, found `
        + `${refusal.actual}.`, refusal.remedy);
    }

    return;
  }

  if (said.phase !== 'Serving') {
    add('warn', `${node.name} is ${words(said.phase).toLowerCase()}`
      + `${said.reason ? `: ${said.reason}` : ''}.`);
  }

  const refusal = said.session?.refusal;
  if (refusal) {
    add('bad', `${node.name} refuses the session, ${refusal.subject}: expected `
      + `${refusal.expected}, found ${refusal.actual}.`, refusal.remedy);
  } else if (said.session?.state !== 'Ready' && node.partner?.known) {
    add('warn', `${node.name} has no session with ${node.partner.name}: `
      + `${said.session?.reason
      || words(said.session?.step ?? 'no step').toLowerCase()}.`);
  }

  const witness = said.witness;
  if (witness && !['Found', 'None'].includes(witness.state)) {
    add('bad', `The witness of ${node.name} is ${words(witness.state ?? 'not known').toLowerCase()}`
      + `${witness.detail ? `: ${witness.detail}` : ''}.`, 'bring the witness back');
  }

  ofModules(node, said, add);
}

function ofModules(node, said, add) {
  for (const client of said.clients ?? []) {
    if (!['Ready', 'WaitingForSession'].includes(client.state)) {
      add('warn', `${node.name}: client ${client.name} is ${client.state}`
        + `${client.reason ? `: ${client.reason}` : ''}.`);
    }
  }

  for (const plugin of said.plugins ?? []) {
    if (['failed', 'malfunctioned', 'refused', 'modified'].includes(plugin.standing)) {
      add('bad', `${node.name}: plugin ${plugin.id} is ${plugin.standing}: ${plugin.reason}.`);
    }
  }

  for (const volume of said.volumes ?? []) {
    if (volume.waits) {
      add('bad', `${node.name}: ${volume.name} waits: ${volume.waits}.`);
    }
  }

  for (const volume of Array.isArray(said.sections?.volumes) ? said.sections.volumes : []) {
    if (volume.diskFault) {
      add('bad', `${node.name}: the disk of ${volume.name} failed: ${volume.diskFault}.`,
        'replace it and start the node; everything is copied to it');
    }

    if (volume.served && volume.scrub?.unresolved > 0) {
      add('bad', `${volume.name}: ${volume.scrub.unresolved} extents differ and nobody can tell`
        + ' which side is right.', 'see the chapter Scrub of docs/OPERATIONS.md');
    }
  }

  for (const [section, report] of Object.entries(said.sections ?? {})) {
    if (report?.notReported) {
      add('warn', `${node.name}: ${section} is not known: ${report.notReported}.`);
    }
  }
}
