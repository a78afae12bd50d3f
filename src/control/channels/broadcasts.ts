/** Broadcasts go the way of messages, on a channel of their own: so all machines hear them that share a log. */
import { randomUUID } from 'node:crypto';
import type { Audience, Broadcast } from '../../services/channels/messages.js';
import { type ChannelLog, type HistoryOptions, LogUnavailable } from './log.js';

/** No client can name it. */
const CHANNEL = '$broadcast';
/** For a machine whose connection to the others breaks for a moment. */
const HISTORY: HistoryOptions = { size: 100, ttl: 10_000 };
const HEARD_WITHIN_MS = 2000;

interface Spoken extends Broadcast {
  readonly id: string;
}

export class Broadcasts {
  readonly #log: ChannelLog;
  readonly #deliver: (broadcast: Broadcast) => Promise<number>;
  /** Our own, until we hear them. */
  readonly #pending = new Map<string, (reached: number) => void>();

  /** `deliver` resolves with the number of clients of this machine. */
  constructor(log: ChannelLog, deliver: (broadcast: Broadcast) => Promise<number>) {
    this.#log = log;
    this.#deliver = deliver;
    log.follow(CHANNEL);
    // From here on none is missed while a connection breaks.
    log.recover(CHANNEL, null, HISTORY, () => {}).catch(() => {});
  }

  /** Resolves with the number of clients of this machine. Rejects with LogUnavailable. */
  async send(to: Audience, data: string): Promise<number> {
    const id = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#pending.set(id, resolve);
    const late = setTimeout(() => reject(new LogUnavailable('it was not heard in time')), HEARD_WITHIN_MS);
    try {
      await this.#log.append(CHANNEL, JSON.stringify({ id, to, data } satisfies Spoken), HISTORY);
      return await promise;
    } finally {
      clearTimeout(late);
      this.#pending.delete(id);
    }
  }

  /** The log tells a message. False: it is none of a broadcast. */
  heard(channel: string, text: string): boolean {
    if (channel !== CHANNEL) return false;
    const spoken = readSpoken(text);
    if (spoken === null) return true;
    const { id, to, data } = spoken;
    void this.#deliver({ to, data }).then((reached) => this.#pending.get(id)?.(reached));
    return true;
  }
}

/** Whatever lies in a store that others may write to. */
function readSpoken(text: string): Spoken | null {
  try {
    const { id, to, data } = JSON.parse(text);
    if (typeof id !== 'string' || typeof to !== 'object' || to === null || typeof data !== 'string')
      return null;
    return { id, to, data };
  } catch {
    return null;
  }
}
