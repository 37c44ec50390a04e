// Live charts: lines in SVG, their scale beside them in HTML, and everything that a line says in
// words, too.

import { h } from './dom.js';
import { windowMs } from './samples.js';
import { bytes, digits, micros } from './units.js';

const gapMs = 4000; // A line does not go on over a time of which nothing is known.

/** Elements of the section. */
export function chartsView(pair, samples, now) {
  const groups = pair.groups.filter(group => group.volumes.length > 0);
  return groups.length === 0 ? [] : [
    h('h2', { id: 'charts-title' }, 'The last two minutes'),
    h('div', { class: 'charts' }, groups.flatMap(group => [
      ...group.volumes.flatMap(volume => volumeCharts(volume, samples.ofVolume(volume.name), now)),
      logChart(group, samples.ofLog(group.id), now),
    ])),
  ];
}

function volumeCharts(volume, all, now) {
  const points = key => all.map(one => [one.at, one[key] ?? null]);
  const last = all[all.length - 1];
  const flow = last?.writeBytesPerSecond > 0 ? `, ${bytes(last.writeBytesPerSecond)}/s` : '';
  return [
    chart({
      key: `rate-${volume.name}`,
      title: `${volume.name}: writes and reads a second`,
      now,
      format: value => digits(Math.round(value)),
      unit: 'a second',
      more: flow,
      least: 10,
      empty: 'No sample yet.',
      series: [
        { name: 'writes', points: points('writesPerSecond') },
        { name: 'reads', points: points('readsPerSecond') },
      ],
    }),
    chart({
      key: `latency-${volume.name}`,
      title: `${volume.name}: time of a mirrored write`,
      now,
      format: micros,
      unit: '',
      more: '',
      least: 100,
      empty: 'Nothing was written.',
      series: [
        { name: 'p50', points: points('writeP50Us') },
        { name: 'p99', points: points('writeP99Us') },
      ],
    }),
  ];
}

function logChart(group, all, now) {
  return chart({
    key: `log-${group.id}`,
    title: `Group ${group.id}: log fill`,
    now,
    format: bytes,
    unit: '',
    more: group.log ? ` of ${bytes(group.log.capacityBytes)}` : '',
    least: group.log?.capacityBytes ?? 1,
    steps: bytesScale,
    empty: 'No sample yet.',
    series: [{ name: 'used', points: all.map(one => [one.at, one.used]) }],
  });
}

function chart(what) {
  const known = what.series.map(one => one.points.filter(([at, value]) =>
    value !== null && what.now - at < windowMs));
  const highest = Math.max(0, ...known.flat().map(([, value]) => value));
  const top = (what.steps ?? scale)(Math.max(highest, what.least));
  const says = what.series.map((one, index) => summary(what, one, known[index]));
  const none = known.every(points => points.length === 0);
  return h('figure', { 'data-key': what.key, 'data-chart': what.key },
    h('figcaption', {},
      h('strong', {}, what.title),
      h('ul', { class: 'legend plain' }, what.series.map((one, index) => h('li', {},
        h('span', { class: `key series${index}`, 'aria-hidden': 'true' }),
        `${one.name} `, h('span', { class: 'value' }, latest(what, known[index]))))),
    ),
    h('div', { class: 'plot' },
      h('div', { class: 'scale', 'aria-hidden': 'true' },
        [top, top / 2, 0].map(value => h('span', {}, what.format(value)))),
      h('svg', {
        viewBox: '0 0 240 80', preserveAspectRatio: 'none', role: 'img',
        'aria-label': `${what.title}. ${none ? what.empty : says.join(' ')}`,
      },
      [0, 40, 80].map(y => h('line', { class: 'grid', x1: 0, x2: 240, y1: y, y2: y })),
      what.series.map((one, index) => h('path', {
        class: `line series${index}`, d: lineOf(one.points, what.now, top),
      }))),
      none ? h('p', { class: 'empty', 'aria-hidden': 'true' }, what.empty) : null,
      h('div', { class: 'span', 'aria-hidden': 'true' },
        h('span', {}, '2 min ago'), h('span', {}, 'now'))));
}

function latest(what, points) {
  const last = points[points.length - 1];
  return last && what.now - last[0] < gapMs
    ? `${what.format(last[1])}${what.unit ? ` ${what.unit}` : ''}` : 'none';
}

function summary(what, one, points) {
  if (points.length === 0) {
    return `${one.name}: none.`;
  }

  const highest = Math.max(...points.map(([, value]) => value));
  return `${one.name}: now ${latest(what, points)}${what.more}, highest ${what.format(highest)}.`;
}

function lineOf(points, now, top) {
  let path = '';
  let before = null;
  for (const [at, value] of points) {
    if (value === null || now - at > windowMs) {
      before = null;
      continue;
    }

    const x = 240 * (1 - (now - at) / windowMs);
    const y = 80 - 78 * Math.min(1, value / top);
    path += `${before !== null && at - before < gapMs ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    before = at;
  }

  return path;
}

function scale(highest) {
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 5, 10].map(step => step * power).find(value => value >= highest);
}

function bytesScale(highest) {
  return highest;
}
