// Small parts that several views are made of.

import { h } from './dom.js';
import { absolute, ago } from './units.js';

const marks = { good: '✓', warn: '▲', bad: '✕', unknown: '?', info: 'i' };

/** A state in a colour, with a mark and a word, so that the colour alone says nothing. */
export function badge(level, ...text) {
  return h('span', { class: `badge ${level}` },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, marks[level] ?? '·'), ...text);
}

/** A mark by itself, for beside a text that says the same. */
export function mark(level) {
  return h('span', { class: `mark big ${level}`, 'aria-hidden': 'true' }, marks[level]);
}

/** A point in time as people say it; the exact one is its title. */
export function time(milliseconds, now) {
  const exact = absolute(milliseconds);
  return h('time', { datetime: new Date(milliseconds).toISOString(), title: exact },
    ago((now - milliseconds) / 1000));
}

/** Facts in pairs; those without a value are left out. */
export function facts(...pairs) {
  return h('dl', { class: 'facts' }, pairs.filter(([, value]) => value || value === 0)
    .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

/** Buttons that ask for something, and why none of them can, once for all. */
export function actions(id, why, ...buttons) {
  const reason = `why-${id}`;
  return h('div', { class: 'actions' },
    buttons.map(([label, values, extra]) => h('button', {
      type: 'button',
      class: extra,
      'aria-disabled': why ? 'true' : null,
      'aria-describedby': why ? reason : null,
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [`data-${name}`, value])),
    }, label)),
    why ? h('p', { class: 'why', id: reason }, why) : null);
}

/** A remedy without the option of a command line: the page has a box for it. */
export function ofPage(remedy) {
  return String(remedy ?? '').replace(/[;,] or --override \S+$/, '; or override it when you move');
}

/** Ended by a full stop; what begins with a node's name keeps its letters. */
export function ended(text) {
  const all = String(text ?? '').trim();
  return all === '' || /[.!?]$/.test(all) ? all : `${all}.`;
}

/** The same with its first letter large: what to do is said in words, not in names. */
export function sentence(text) {
  const all = ended(text);
  return all.charAt(0).toUpperCase() + all.slice(1);
}
