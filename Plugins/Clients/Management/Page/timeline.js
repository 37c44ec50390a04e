// What both nodes did, in one order, newest first.

import { h } from './dom.js';
import { badge, time } from './parts.js';

const levels = { info: 'info', warning: 'warn', error: 'bad' };
const names = { info: 'Info', warning: 'Warning', error: 'Error' };
const pageOf = 25;
const kept = 2000;

/** Events of both nodes, each once, whoever told it. */
export class Timeline {
  #all = new Map();
  shown = pageOf;
  severity = 'all';
  node = 'all';

  /** Takes an event; its time by the clock of this page. */
  take(event, skewMs) {
    const key = event.sequence === undefined ? `${event.time} ${event.node} ${event.text}`
      : `${event.node} ${event.epoch} ${event.sequence}`;
    if (!this.#all.has(key)) {
      this.#all.set(key, { ...event, key, at: Date.parse(event.time) + skewMs });
      if (this.#all.size > kept) {
        this.#all.delete(this.#all.keys().next().value);
      }
    }
  }

  /** Shows another page of older ones. */
  more() {
    this.shown += pageOf;
  }

  /** Elements of the section. */
  view(pair, now) {
    const all = [...this.#all.values()].sort((one, other) => other.at - one.at);
    const some = all.filter(one => (this.severity === 'all' || one.severity !== 'info')
      && (this.node === 'all' || one.node === this.node));
    return [
      h('div', { class: 'heading' },
        h('h2', { id: 'timeline-title' }, 'Timeline of both nodes'),
        h('div', { class: 'filters' },
          choice('severity', 'Show', this.severity, [
            ['all', 'everything'], ['trouble', 'warnings and errors']]),
          choice('node', 'of', this.node, [
            ['all', 'both nodes'], ...pair.names.map(name => [name, name])]))),
      some.length === 0
        ? h('p', { class: 'quiet' }, 'Nothing happened in the last 10 minutes that fits.')
        : h('ol', { class: 'events plain' },
          some.slice(0, this.shown).map(one => eventView(one, now))),
      some.length > this.shown
        ? h('button', { type: 'button', 'data-act': 'more' },
          `Show older (${some.length - this.shown} more)`) : null,
    ].filter(Boolean);
  }
}

function choice(id, label, value, options) {
  return h('label', { for: `filter-${id}` }, `${label} `,
    h('select', { id: `filter-${id}`, 'data-filter': id }, options.map(([name, text]) =>
      h('option', { value: name, selected: name === value }, text))));
}

function eventView(one, now) {
  const level = levels[one.severity] ?? 'info';
  return h('li', { 'data-key': one.key, class: level },
    h('span', { class: 'when' }, time(one.at, now),
      h('span', { class: 'clock' }, one.time.slice(11, 23))),
    h('span', { class: 'who' }, h('strong', {}, one.node),
      one.term ? h('span', { class: 'quiet' }, ` term ${one.term}`) : null),
    h('span', { class: 'level' }, badge(level, names[one.severity] ?? one.severity)),
    h('span', { class: 'text' }, one.text));
}
