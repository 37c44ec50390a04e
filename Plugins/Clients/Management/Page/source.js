// One node, asked over HTTP: its stream while it lives, and tried again for as long as it does not.
// Says what it heard and when; what to make of that is the pair's.

const silenceMs = 12_000; // A node says something every 5 s.
const firstWordMs = 5_000;
const answerMs = 60_000; // A takeover is refused or done long before.
const pauseMs = [200, 1000, 2000];
const refusedPauseMs = 10_000;
const silence = new Error('no word for too long');

/** What a node answers instead of what was asked for. */
export class Refused extends Error {
  constructor(status, refusal) {
    super(`${refusal.subject}: expected ${refusal.expected}, found ${refusal.actual}`);
    this.status = status;
    this.refusal = refusal;
  }
}

/** A node's address, and everything that is known of it. */
export class NodeSource {
  #token;
  #hear;
  #abort = null;
  #wake = null;

  constructor(url, token, hear) {
    this.url = url;
    this.#token = token;
    this.#hear = hear;
    this.state = 'asking'; // Then live, lost or refused.
    this.status = null;
    this.heardAt = null;
    this.lostAt = null;
    this.role = null;
    this.refusal = null;
    this.why = '';
    this.skewMs = 0;
    this.awayMs = 0;
    this.tries = 0;
  }

  /** Name of the node, once it has said it. */
  get name() {
    return this.status?.node?.name ?? null;
  }

  /** Goes on for as long as the page does. */
  async run() {
    for (;;) {
      try {
        await this.#follow();
        this.#lose('it ended the stream');
      } catch (failure) {
        this.#fail(failure);
      }

      await this.#pause();
      this.tries += 1;
    }
  }

  /** Asks anew now, such as with another token. */
  again() {
    this.#abort?.abort();
    this.#wake?.();
  }

  /** One request that has one answer. */
  async ask(path, body, signal = AbortSignal.timeout(answerMs)) {
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: this.#headers(body),
      body: body ? JSON.stringify(body) : undefined,
      cache: 'no-store',
      signal,
    });
    return answerOf(response);
  }

  async #follow() {
    const abort = new AbortController();
    this.#abort = abort;
    let watch = setTimeout(() => abort.abort(silence), firstWordMs);
    try {
      const response = await fetch(`${this.url}/api/v1/stream`, {
        headers: this.#headers(), cache: 'no-store', signal: abort.signal,
      });
      if (!response.ok) {
        await answerOf(response);
      }

      this.role = (await this.ask('whoami', null, abort.signal)).role;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          return;
        }

        clearTimeout(watch);
        watch = setTimeout(() => abort.abort(silence), silenceMs);
        const parts = (text + value).replaceAll('\r', '').split('\n\n');
        text = parts.pop();
        parts.forEach(part => this.#take(part));
      }
    } finally {
      clearTimeout(watch);
      // Whatever ended it, a connection that nobody reads is not left behind.
      abort.abort();
    }
  }

  #pause() {
    return new Promise(resolve => {
      this.#wake = resolve;
      // A token that is wrong stays wrong: asking on with it only uses up the tries there are.
      if (this.state !== 'refused') {
        setTimeout(resolve, pauseMs[Math.min(this.tries, pauseMs.length - 1)]);
      } else if (this.refusal.status !== 401) {
        setTimeout(resolve, refusedPauseMs);
      }
    });
  }

  #take(part) {
    let kind = 'message';
    let data = '';
    for (const line of part.split('\n')) {
      if (line.startsWith('event:')) {
        kind = line.slice(6).trim();
      } else if (line.startsWith('data:')) {
        data += line.slice(5).trim();
      }
    }

    this.heardAt = Date.now();
    const said = data === '' ? null : JSON.parse(data);
    const before = this.state;
    if (kind === 'status') {
      this.status = said;
      this.skewMs = this.heardAt - Date.parse(said.time);
      this.#become('live');
    }

    this.#hear(this, kind, said, before);
  }

  #fail(failure) {
    if (!(failure instanceof Refused)) {
      this.#lose(failure === silence ? silence.message : 'it does not answer', failure);
      return;
    }

    const before = this.state;
    this.refusal = failure;
    this.#become('refused');
    this.#hear(this, 'refused', failure, before);
  }

  #lose(why, failure) {
    const before = this.state;
    // The first break may be a stream that was cut; the second says that nobody is there.
    if (before === 'live' && this.tries === 0 && failure !== silence) {
      return;
    }

    this.why = why;
    this.lostAt ??= this.heardAt ?? Date.now();
    this.#become('lost');
    this.#hear(this, 'lost', null, before);
  }

  #become(state) {
    this.state = state;
    if (state === 'live') {
      this.tries = 0;
      this.refusal = null;
      this.awayMs = this.lostAt === null ? 0 : Date.now() - this.lostAt;
      this.lostAt = null;
    }
  }

  #headers(body) {
    const token = this.#token(this.url);
    return {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(body ? { 'Content-Type': 'application/json' } : {}),
    };
  }
}

async function answerOf(response) {
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    // No JSON: a refusal is made of the status below.
  }

  if (response.ok && answer) {
    return answer;
  }

  throw new Refused(response.status, answer?.refusal ?? {
    subject: response.url,
    expected: 'an answer in JSON',
    actual: `HTTP ${response.status} ${response.statusText}`,
    remedy: 'see the log of the node',
  });
}
