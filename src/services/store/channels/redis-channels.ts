/** The logs of channels in Redis: see `scripts.ts` for what lies there. Everything rejects with a StoreFault. */
import { randomBytes } from 'node:crypto';
import { MOST_MISSED_BYTES } from '../../channels/messages.js';
import { RedisLink, type RedisPlace } from '../redis/redis-link.js';
import { run, scriptOf } from '../redis/script.js';
import { StoreFault } from '../store-fault.js';
import { APPEND, LOOK, READ } from './scripts.js';

export interface StoredPosition {
  readonly offset: number;
  readonly epoch: string;
}

export interface StoredMessage {
  readonly offset: number;
  readonly data: string;
}

/** What is read from a position on. */
export interface Reading {
  readonly head: StoredPosition;
  /** Nothing is missing between the position and `missed`. */
  readonly whole: boolean;
  /** Up to the head, or to where it was enough for one reading. */
  readonly missed: readonly StoredMessage[];
  readonly latest: StoredMessage | null;
  /** From this offset on nothing is missing. */
  readonly oldest: number;
}

export interface Keeping {
  /** Messages. */
  readonly size: number;
  /** Milliseconds; 0: no matter. */
  readonly ttl: number;
}

/** `entry`: its id in the stream of publications; empty: it did not come from there. */
export interface Publication {
  readonly entry: string;
  readonly data: string;
}

/** For as long a publisher may wait at most; a subscriber, too. */
const ANSWER_WITHIN_MS = 1000;
const READ_AT_ONCE = 200;
const NOWHERE: StoredPosition = { epoch: '', offset: 0 };

const SCRIPTS = { append: scriptOf(APPEND), read: scriptOf(READ), look: scriptOf(LOOK) };

/** What machines that follow the channel listen to. */
export const feedOf = (channel: string): string => `sluice:channel:{${channel}}`;
const keysOf = (channel: string): string[] => [`${feedOf(channel)}:state`, `${feedOf(channel)}:log`];

export class RedisChannels {
  readonly #link: RedisLink;

  constructor(place: RedisPlace) {
    this.#link = new RedisLink(place, ANSWER_WITHIN_MS);
  }

  /** In this order, with nothing of others between them. Resolves with the position of the last one. */
  async append(
    channel: string,
    messages: readonly Publication[],
    { size, ttl }: Keeping,
  ): Promise<StoredPosition & { readonly taken: number }> {
    const args = [newEpoch(), size, ttl, feedOf(channel), ...messages.flatMap((m) => [m.entry, m.data])];
    const answer = await this.#link.use((redis) => run(redis, SCRIPTS.append, keysOf(channel), args));
    const [epoch, offset, taken] = checked(answer, 3);
    return { epoch: String(epoch), offset: numberOf(offset), taken: numberOf(taken) };
  }

  /** `heard`: as far as this machine knows the log; one that has less is begun again. */
  async read(
    channel: string,
    since: StoredPosition | null,
    heard: StoredPosition | null,
    { ttl }: Keeping,
  ): Promise<Reading> {
    let reading = await this.#page(channel, since, heard, ttl);
    const missed = [...reading.missed];
    let bytes = bytesOf(missed);
    for (let last = missed.at(-1); last !== undefined; last = reading.missed.at(-1)) {
      if (!reading.whole || last.offset === reading.head.offset || bytes > MOST_MISSED_BYTES) break;
      reading = await this.#page(channel, { ...reading.head, offset: last.offset }, heard, ttl);
      bytes += bytesOf(reading.missed);
      for (const message of reading.missed) missed.push(message);
    }
    return { ...reading, missed: reading.whole ? missed : [] };
  }

  /** So many at a time that Redis is not kept busy for long. */
  async #page(
    channel: string,
    since: StoredPosition | null,
    heard: StoredPosition | null,
    ttl: number,
  ): Promise<Reading> {
    const [from, known] = [since ?? NOWHERE, heard ?? NOWHERE];
    const args = [newEpoch(), ttl, from.epoch, from.offset, known.epoch, known.offset, READ_AT_ONCE];
    const answer = await this.#link.use((redis) => run(redis, SCRIPTS.read, keysOf(channel), args));
    const [epoch, last, whole, latest, oldest, ...rest] = checked(answer, 5);
    const offset = numberOf(last);
    return {
      head: { epoch: String(epoch), offset },
      whole: whole === 1,
      oldest: numberOf(oldest),
      missed: Array.from({ length: rest.length / 2 }, (_, i) => ({
        offset: numberOf(rest[2 * i]),
        data: String(rest[2 * i + 1]),
      })),
      latest: offset === 0 || typeof latest !== 'string' ? null : { offset, data: latest },
    };
  }

  /** null: nothing is known of it. */
  async look(channel: string): Promise<(StoredPosition & { readonly kept: number }) | null> {
    const answer = await this.#link.use((redis) => run(redis, SCRIPTS.look, keysOf(channel), []));
    const [epoch, offset, kept] = checked(answer, 0);
    if (epoch === undefined) return null;
    return { epoch: String(epoch), offset: numberOf(offset), kept: numberOf(kept) };
  }

  close(): void {
    this.#link.close();
  }
}

function bytesOf(messages: readonly StoredMessage[]): number {
  return messages.reduce((sum, { data }) => sum + data.length, 0);
}

function newEpoch(): string {
  return randomBytes(6).toString('base64url');
}

function checked(answer: unknown, least: number): unknown[] {
  if (Array.isArray(answer) && answer.length >= least) return answer;
  throw new StoreFault('Redis answers what cannot be understood');
}

function numberOf(value: unknown): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new StoreFault('Redis answers what cannot be understood');
}
