// Every client with its state, ports and memory on both nodes.

import { h } from './dom.js';
import { badge } from './parts.js';
import { bytes, count, words } from './units.js';

/** Elements of the section. */
export function clientsView(pair) {
  const nodes = pair.names.map(name => pair.nodes[name]);
  const names = [...new Set(nodes.flatMap(node => (node.now?.clients ?? []).map(one => one.name)))];
  return names.length === 0 ? [] : [
    h('h2', { id: 'clients-title' }, 'Clients'),
    h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Client'),
        nodes.map(node => h('th', { scope: 'col' }, `On ${node.name}`)))),
      h('tbody', {}, names.map(name => h('tr', { 'data-key': `client-${name}` },
        h('th', { scope: 'row' }, name),
        nodes.map(node => h('td', {}, cell(node, name))))))),
  ];
}

function cell(node, name) {
  if (!node.known) {
    return badge('unknown', 'Unknown');
  }

  const client = (node.now.clients ?? []).find(one => one.name === name);
  if (!client) {
    return badge('info', 'Not loaded');
  }

  const plugin = (node.now.plugins ?? []).find(one => one.id === name);
  const level = client.state === 'Ready' ? 'good'
    : client.state === 'WaitingForSession' ? 'warn' : 'bad';
  return [
    badge(level, words(client.state)),
    h('span', { class: 'quiet block' }, `${count(client.ports ?? 0, 'port')}, `
      + `${bytes(client.memoryBytes)}${plugin?.version ? `, version ${plugin.version}` : ''}`),
    client.reason ? h('span', { class: 'block' }, client.reason) : null,
  ];
}
