// Takeover, giveback, check and scrub: says what will happen, checks, asks, does, and says what
// came of it. Nothing but a check is sent until a person has pressed the button that says what it
// does.

import { h, fill } from './dom.js';
import { badge, ended, ofPage } from './parts.js';
import { hindranceView } from './picture.js';
import { volumeNames } from './pair.js';
import { Refused } from './source.js';
import { list, millis, words } from './units.js';

/** The one dialog of the page. */
export class ActionDialog {
  #element = document.getElementById('action');
  #at = null;

  /** Hears what is pressed in it. */
  constructor() {
    this.#element.addEventListener('click', event => this.#click(event));
    this.#element.addEventListener('change', () => this.#show());
    this.#element.addEventListener('close', () => {
      this.#at = null;
    });
  }

  /** Opens it for a group that a node is to have; kind is takeover, giveback or check. */
  open(kind, pair, group, target) {
    this.#begin({ kind, group, target, from: group.server ?? group.owner,
      volumes: list(volumeNames([group])) || `group ${group.id}` });
    void this.#check();
  }

  /** Opens it for a comparison of both copies by all nodes that answer. */
  openScrub(nodes) {
    this.#begin({ kind: 'scrub', nodes, state: 'ready' });
  }

  #begin(at) {
    this.#at = { state: 'checking', hindrances: [], ...at };
    this.#show();
    this.#element.showModal();
    this.#element.querySelector('h2').focus();
  }

  async #check() {
    const at = this.#at;
    at.state = 'checking';
    this.#show();
    try {
      const { result } = await at.target.source.ask(
        'takeover', { group: at.group.id, check: true, override: [] });
      const found = (result.checks ?? result.groups)?.find(one => one.group === at.group.id)
        ?? result;
      Object.assign(at, {
        state: 'ready', predicted: found.predicted, hindrances: found.hindrances ?? [],
        serves: found.serves,
      });
    } catch (failure) {
      this.#refuse(at, failure, 'check');
    }

    this.#showIf(at);
  }

  async #act() {
    const at = this.#at;
    const override = this.#overridden();
    at.state = 'acting';
    this.#show();
    try {
      at.result = at.kind === 'scrub' ? await scrub(at.nodes)
        : (await at.target.source.ask(at.kind, { group: at.group.id, override })).result;
      at.state = 'done';
      at.done = doneText(at);
    } catch (failure) {
      this.#refuse(at, failure, 'action');
    }

    this.#showIf(at);
  }

  #refuse(at, failure, what) {
    at.state = 'refused';
    at.refusal = failure instanceof Refused ? failure.refusal : null;
    at.lost = !at.refusal;
    at.while = what;
  }

  #overridden() {
    return [...this.#element.querySelectorAll('input[data-veto]:checked')]
      .map(box => box.dataset.veto);
  }

  #click(event) {
    const does = event.target.closest('[data-do]')?.dataset.do;
    if (does === 'close') {
      this.#element.close();
    } else if (does === 'check') {
      void this.#check();
    } else if (does === 'act' && this.#mayAct()) {
      void this.#act();
    }
  }

  #showIf(at) {
    // It may have been closed, and opened for something else, meanwhile.
    if (this.#at === at) {
      this.#show();
    }
  }

  #vetoes() {
    const names = this.#at.hindrances.filter(one => one.code === 'vetoed').map(one => one.who);
    return [...new Set(names)];
  }

  #mayAct() {
    const { state, hindrances } = this.#at;
    const chosen = this.#overridden();
    return state === 'ready' && hindrances.every(one =>
      one.planned === false || (one.code === 'vetoed' && chosen.includes(one.who)));
  }

  #show() {
    const at = this.#at;
    fill('action', [
      h('h2', { id: 'action-title', tabindex: '-1' }, titleOf(at)),
      ...introOf(at).map(text => h('p', {}, text)),
      h('div', { role: 'status' }, this.#body(at)),
      h('div', { class: 'buttons' }, this.#buttons(at)),
    ]);
  }

  #body(at) {
    switch (at.state) {
      case 'checking': return h('p', {}, `Asking ${at.target.name} what would hinder it…`);
      case 'acting': return h('p', {}, 'Under way…');
      case 'done': return h('p', {}, badge('good', 'Done'), ` ${at.done}`);
      case 'refused': return refusalView(at);
      default: return at.kind === 'scrub' ? null : this.#checked(at);
    }
  }

  #checked(at) {
    const real = at.hindrances.filter(one => one.planned !== false);
    if (real.length === 0) {
      return [
        h('p', {}, badge('good', 'Nothing hinders it')),
        at.predicted ? forecastView(at.predicted) : null,
      ];
    }

    const vetoes = this.#vetoes();
    const only = real.every(one => one.code === 'vetoed');
    return [
      h('p', {}, badge(only ? 'warn' : 'bad', only ? 'There is a veto' : 'It cannot be done now')),
      h('ul', { class: 'hindrances' }, real.map(hindranceView)),
      only && at.kind !== 'check' ? h('fieldset', {},
        h('legend', {}, 'Go over the head of'),
        vetoes.map(name => h('label', { class: 'choice' },
          h('input', { type: 'checkbox', 'data-veto': name }),
          h('span', {}, `${name}: I have read what it says and move all the same`)))) : null,
    ];
  }

  #buttons(at) {
    const close = h('button', { type: 'button', 'data-do': 'close', 'data-key': 'close' },
      ['done', 'refused'].includes(at.state) || at.kind === 'check' ? 'Close' : 'Cancel');
    const again = at.kind === 'scrub' || !['ready', 'refused'].includes(at.state) ? null
      : h('button', { type: 'button', 'data-do': 'check', 'data-key': 'check' }, 'Check again');
    if (at.kind === 'check' || !['ready', 'checking'].includes(at.state)) {
      return [close, again];
    }

    const may = this.#mayAct();
    const over = this.#overridden();
    return [close, again, h('button', {
      type: 'button', class: 'primary', 'data-do': 'act', 'data-key': 'act',
      'aria-disabled': may ? null : 'true',
    }, doText(at) + (over.length > 0 && may ? `, overriding ${list(over)}` : ''))];
  }
}

function titleOf(at) {
  switch (at.kind) {
    case 'takeover': return `Move ${at.volumes} to ${at.target.name}`;
    case 'giveback': return `Bring ${at.volumes} home to ${at.target.name}`;
    case 'check': return `Check a move of ${at.volumes} to ${at.target.name}`;
    default: return 'Compare both copies now';
  }
}

function introOf(at) {
  switch (at.kind) {
    case 'check': return ['Nothing is moved. This asks what would hinder a move, and how long it'
      + ' would take.'];
    case 'scrub': return ['Each node compares both copies of what it serves, from now on, beside'
      + ' the work of clients. What differs is repaired where it is known which side is right, and'
      + ' told where it is not.'];
    default: return [`${at.target.name} will serve group ${at.group.id} (${at.volumes}) in place of`
      + ` ${at.from ?? 'nobody'}. Clients see a pause and connect anew; nothing that was`
      + ' acknowledged is lost.'];
  }
}

function doText(at) {
  return at.kind === 'takeover' ? `Move to ${at.target.name}`
    : at.kind === 'giveback' ? `Bring home to ${at.target.name}` : 'Compare now';
}

function doneText(at) {
  if (at.kind === 'scrub') {
    return ended(at.result.join('; '));
  }

  const group = at.result?.groups?.find(one => one.group === at.group.id);
  return `${at.target.name} serves ${at.volumes}${group?.term ? ` at term ${group.term}` : ''}`
    + `${group?.state ? `, ${group.state}` : ''}.`;
}

async function scrub(nodes) {
  const begun = [];
  const not = [];
  for (const node of nodes) {
    const { result } = await node.source.ask('scrub', {});
    for (const one of result.groups ?? []) {
      (one.started ? begun : not).push(`group ${one.group} on ${node.name}: ${
        one.started ? 'begun' : one.why || 'not begun'}`);
    }
  }

  // That a node compares nothing of what the other serves goes without saying.
  return begun.length > 0 ? begun : not;
}

function refusalView(at) {
  if (at.lost) {
    return [
      h('p', {}, badge('unknown', 'No answer')),
      h('p', {}, at.while === 'check'
        ? `${at.target.name} did not answer the check. Nothing was changed.`
        : 'The answer was lost, so it may have happened or not. See who serves the volumes;'
          + ' asking again does no harm.'),
    ];
  }

  const { subject, expected, actual, remedy } = at.refusal;
  return [
    h('p', {}, badge('bad', 'Refused'), ` ${subject}`),
    h('dl', { class: 'facts refusal' }, [['Expected', expected], ['Found', actual],
      ['What to do', ofPage(remedy)]].map(([name, text]) =>
      h('div', {}, h('dt', {}, name), h('dd', {}, text)))),
  ];
}

function forecastView(predicted) {
  return [
    h('p', {}, `It would take about ${millis(predicted.totalMs)}; clients would wait for about ${
      millis(predicted.pauseMs)} of it.`),
    h('details', {}, h('summary', {}, 'What this is made of'),
      h('ul', {}, (predicted.madeOf ?? []).map(one =>
        h('li', {}, `${words(one.step)}: ${millis(one.ms)}, ${one.from}${
          one.clientsWait ? '; clients wait' : ''}`)))),
  ];
}
