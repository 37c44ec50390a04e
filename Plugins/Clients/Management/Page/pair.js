// What both nodes' words together say of the pair. Pure: told who said what, asks nobody.

/** The pair as it is known now, from the sources of one or two nodes. */
export function pairOf(sources) {
  const nodes = {};
  for (const source of sources) {
    const said = tidy(source.status);
    if (said?.name) {
      nodes[said.name] = {
        name: said.name,
        source,
        known: source.state === 'live',
        last: said,
        now: source.state === 'live' ? said : null,
      };
    }
  }

  for (const node of Object.values(nodes)) {
    const partner = node.last.partner?.name;
    if (partner && !nodes[partner]) {
      const source = sources.find(one => one.name === null && one !== node.source) ?? null;
      nodes[partner] = { name: partner, source, known: false, last: null, now: null };
    }
  }

  const names = Object.keys(nodes).sort();
  for (const node of Object.values(nodes)) {
    node.partner = nodes[names.find(name => name !== node.name)] ?? null;
  }

  return { names, nodes, groups: groupsOf(names, nodes) };
}

/** Whether a node is dead or cut off, by what its partner says. */
export function isLost(node) {
  const says = node.partner?.now;
  return !node.known && says && says.session?.state !== 'Ready'
    && ['Dead', 'Stopping', 'Stuck'].includes(says.partner?.condition);
}

/** What hinders a node from taking a group: when the partner is lost, or when it is asked to. */
export function hindrances(node, group, kind) {
  return (node.now?.takeover?.hindrances ?? [])
    .filter(one => one.group === group && one[kind] !== false);
}

/** The volumes of some groups, by name. */
export function volumeNames(groups) {
  return groups.flatMap(group => group.volumes.map(volume => volume.name));
}

// What is not there is left out of lists, so that nobody stumbles over it. Once for each document.
const tidied = new WeakMap();

function tidy(status) {
  if (status && !tidied.has(status)) {
    tidied.set(status, withoutHoles(status.node));
  }

  return status ? tidied.get(status) : null;
}

function withoutHoles(value) {
  if (Array.isArray(value)) {
    return value.filter(one => one !== null && one !== undefined).map(withoutHoles);
  }

  return value === null || typeof value !== 'object' ? value : Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, withoutHoles(one)]));
}

function groupsOf(names, nodes) {
  const all = new Map();
  for (const name of names) {
    const node = nodes[name];
    for (const said of node.now?.sections?.ownership?.groups ?? []) {
      const known = all.get(said.group);
      // Who serves knows; else who has seen more of the register.
      if (!known || said.serves || (!known.said.serves && said.term > known.said.term)) {
        all.set(said.group, { said, node });
      }
    }
  }

  return [...all.entries()].sort(([one], [other]) => one - other)
    .map(([id, { said, node }]) => groupOf(id, said, node, names, nodes));
}

function groupOf(id, said, node, names, nodes) {
  const document = node.now;
  const byName = list => new Map((list ?? []).map(one => [one.name ?? one.volume, one]));
  const more = byName(document.sections?.volumes);
  const exported = byName(document.sections?.exports);
  const home = names.find(name => nodes[name].last?.homeGroup === id)
    ?? said.giveback?.home ?? names[id] ?? null;
  return {
    ...said,
    id,
    home,
    server: said.serves ? node.name : null,
    toldBy: node.name,
    log: (Array.isArray(document.sections?.log) ? document.sections.log : [])
      .find(one => one.group === id) ?? null,
    volumes: (document.volumes ?? []).filter(volume => volume.group === id).map(volume => ({
      ...volume,
      more: more.get(volume.name) ?? {},
      export: exported.get(volume.name) ?? {},
    })),
  };
}
