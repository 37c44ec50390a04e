// The answer to the question of the night, what to do, and what else there is to look at.

import { h } from './dom.js';
import { badge, ended, mark, sentence } from './parts.js';
import { count, span } from './units.js';

const levels = { yes: 'good', no: 'bad', soon: 'warn', unknown: 'unknown', gone: 'bad' };
const spoken = { yes: 'Yes', no: 'No', unknown: 'Not known', gone: 'Lost' };

/** Elements of the first section. */
export function verdictView(verdict) {
  return [
    h('div', { class: `answer ${levels[verdict.answer]}` },
      mark(levels[verdict.answer]),
      h('div', {},
        h('h2', { id: 'verdict-title' }, 'Could I lose one node now?'),
        h('p', { class: 'headline', id: 'headline' }, verdict.headline),
        h('p', { class: 'detail' }, verdict.detail))),
    verdict.losses.length === 0 ? null : h('ul', { class: 'losses' }, verdict.losses.map(lossView)),
    verdict.todo.length === 0 ? null : h('div', { class: 'todo' },
      h('h3', {}, 'What to do'),
      h('ol', {}, verdict.todo.map(reasonView))),
  ].filter(Boolean);
}

/** Elements of the list of what else is not as it should be. */
export function attentionView(all) {
  const names = { bad: 'Mend', warn: 'Look at', info: 'Know' };
  return all.length === 0 ? [] : [
    h('h2', { id: 'attention-title' }, `To look at (${count(all.length, 'thing')})`),
    h('ul', { class: 'plain' }, all.map(one => h('li', { 'data-key': one.what, class: 'note' },
      badge(one.level, names[one.level]),
      h('div', {},
        h('p', {}, one.what),
        one.remedy ? h('p', { class: 'remedy' }, sentence(one.remedy)) : null)))),
  ];
}

function lossView(loss) {
  return h('li', { class: levels[loss.answer] },
    badge(levels[loss.answer], spoken[loss.answer]),
    h('p', {}, loss.answer === 'gone'
      ? [h('strong', {}, loss.node), ` ${loss.text}.`]
      : ['If ', h('strong', {}, loss.node), ' is lost: ', ended(loss.text)]));
}

function reasonView(reason) {
  return h('li', {},
    h('p', { class: 'do' }, sentence(reason.remedy)),
    reason.whats.map(what => h('p', { class: 'because' }, ended(what))),
    reason.seconds > 0 ? h('p', { class: 'because' }, `For ${span(reason.seconds)}.`) : null);
}
