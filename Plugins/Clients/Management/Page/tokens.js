// The token of a person, and of each node where they differ. Comes in the fragment of the address,
// which browsers send nowhere, or is asked for; stays with this tab alone.

import { sentence } from './parts.js';
import { list } from './units.js';

const key = url => `token ${url}`;

/** Tokens, and the form that asks for one. */
export class Tokens {
  #refusing = new Set();
  #accepting = new Set();
  #form = document.getElementById('token');

  /** Takes a token out of the address, so that nobody reads it over a shoulder. */
  constructor() {
    const given = new URLSearchParams(location.hash.slice(1)).get('token');
    if (given) {
      sessionStorage.setItem(key(''), given);
      history.replaceState(null, '', location.pathname + location.search);
    }

    document.getElementById('token-form').addEventListener('submit', event => {
      event.preventDefault();
      this.#take(document.getElementById('token-field').value.trim());
    });
  }

  /** The token for a node: its own, or the one for both. */
  of(url) {
    return sessionStorage.getItem(key(url)) ?? sessionStorage.getItem(key(''));
  }

  /** A node does not accept what it was given. */
  refused(source, sources) {
    if (source.refusal.status !== 401) {
      return;
    }

    const fresh = !this.#refusing.has(source);
    this.#refusing.add(source);
    this.#accepting.delete(source);
    this.#show();
    if (fresh && this.#refusing.size === sources.length) {
      document.getElementById('token-field').focus();
    }
  }

  /** A node accepts it. */
  accepted(source) {
    this.#accepting.add(source);
    if (this.#refusing.delete(source)) {
      this.#show();
    }
  }

  #take(token) {
    if (token === '') {
      return;
    }

    // Where the other node accepts what it has, this one has a token of its own.
    if (this.#accepting.size === 0) {
      sessionStorage.setItem(key(''), token);
    }

    for (const source of this.#refusing) {
      sessionStorage.setItem(key(source.url), token);
      source.again();
    }

    document.getElementById('token-field').value = '';
  }

  #show() {
    this.#form.hidden = this.#refusing.size === 0;
    const who = list([...this.#refusing].map(source => source.name ?? new URL(source.url).host));
    const [first] = this.#refusing;
    const why = first ? `${who} answered: expected ${first.refusal.refusal.expected}, found ${
      first.refusal.refusal.actual}. ${sentence(first.refusal.refusal.remedy)}` : '';
    const target = document.getElementById('token-why');
    if (target.textContent !== why) {
      target.textContent = why;
    }
  }
}
