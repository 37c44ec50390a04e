// The last two minutes of rates and log fill, as the nodes tell them each second.

/** How far back charts show, in milliseconds. */
export const windowMs = 120_000;

/** Samples of every volume and group. */
export class Samples {
  #volumes = new Map();
  #logs = new Map();

  /**
   * Takes one node's word on rates: of the volumes that it serves, for of others it knows nothing.
   * One of which it says nothing was not used.
   */
  hear(source, said, now) {
    for (const volume of source.status?.node?.volumes ?? []) {
      if (volume.served) {
        const one = (said.volumes ?? []).find(rate => rate.name === volume.name);
        keep(this.#volumes, volume.name,
          { writesPerSecond: 0, readsPerSecond: 0, ...one, at: now }, now);
      }
    }
  }

  /** Takes the fill of each group's log. */
  hearPair(pair, now) {
    for (const group of pair.groups) {
      if (group.log && group.server) {
        keep(this.#logs, group.id, { used: group.log.usedBytes, at: now }, now);
      }
    }
  }

  /** All samples of a volume, oldest first. */
  ofVolume(name) {
    return this.#volumes.get(name) ?? [];
  }

  /** All samples of a group's log, oldest first. */
  ofLog(group) {
    return this.#logs.get(group) ?? [];
  }

  /** The newest sample of each volume, unless it is too old to be true of now. */
  newest(now) {
    const all = new Map();
    for (const [name, samples] of this.#volumes) {
      const last = samples[samples.length - 1];
      if (last && now - last.at < 5000) {
        all.set(name, last);
      }
    }

    return all;
  }
}

function keep(map, key, sample, now) {
  const all = (map.get(key) ?? []).filter(one => now - one.at < windowMs + 5000);
  all.push(sample);
  map.set(key, all);
}
