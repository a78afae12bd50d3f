/**
 * Takes what services publish through Redis, while this machine is the one that does. An entry is put into the log of its
 * channel once, even when a machine dies between that and saying so: the log knows the last entry it got.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../observe/log.js';
import type { Publication } from '../../../services/store/channels/redis-channels.js';
import { type Entry, RedisPublications } from '../../../services/store/channels/redis-publications.js';
import type { RedisPlace } from '../../../services/store/redis/redis-link.js';
import type { HistoryOptions } from '../log.js';

export interface PublicationsOptions {
  readonly place: RedisPlace;
  /** In this order. None of them twice. */
  append(channel: string, messages: readonly Publication[], history: HistoryOptions): Promise<unknown>;
  /** The message and how it is kept, or why it is none. */
  judge(channel: string, text: string): { readonly data: string; readonly history: HistoryOptions } | string;
  readonly log: Log;
}

/** A machine that dies is followed by another one after this long at most. */
const LEAD_MS = 5000;
const RENEW_EVERY_MS = 1500;
const ASK_EVERY_MS = 1000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2000;
/** Lines in the log about entries that are no messages: one in this time. */
const COMPLAIN_EVERY_MS = 10_000;

export class Publications {
  /** Since the start. */
  readonly counts = { taken: 0, refused: 0, failures: 0 };
  readonly #options: PublicationsOptions;
  readonly #redis: RedisPublications;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #leads = false;
  #leadsUntil = 0;
  #complainAt = 0;

  constructor(options: PublicationsOptions) {
    this.#options = options;
    this.#redis = new RedisPublications(options.place, randomBytes(8).toString('hex'));
    this.#running = this.#run();
  }

  /** Whether it is this machine that takes what comes. */
  get leads(): boolean {
    return this.#leads && performance.now() < this.#leadsUntil;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#leads) await Promise.race([this.#redis.leave().catch(ignore), sleep(LAST_RETRY_MS)]);
    this.#redis.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      try {
        if (await this.#lead()) await this.#takeAll();
        retryMs = FIRST_RETRY_MS;
        await sleep(ASK_EVERY_MS, null, { signal }).catch(ignore);
      } catch {
        // That Redis is away is said by the log of channels.
        if (signal.aborted) return;
        this.counts.failures++;
        await sleep(retryMs, null, { signal }).catch(ignore);
        retryMs = Math.min(LAST_RETRY_MS, 2 * retryMs);
      }
    }
  }

  /** As long as this machine leads. */
  async #takeAll(): Promise<void> {
    const { signal } = this.#closing;
    let done = await this.#redis.begin();
    while (!signal.aborted) {
      const entries = await this.#redis.next(done);
      const last = entries.at(-1);
      if (last !== undefined) {
        await this.#take(entries);
        if (!(await this.#redis.taken(last.id))) break;
        done = last.id;
      }
      if (performance.now() > this.#leadsUntil - LEAD_MS + RENEW_EVERY_MS && !(await this.#lead())) break;
    }
    this.#leads = false;
  }

  async #lead(): Promise<boolean> {
    const asked = performance.now();
    this.#leads = await this.#redis.lead(LEAD_MS);
    this.#leadsUntil = asked + LEAD_MS;
    return this.#leads;
  }

  async #take(entries: readonly Entry[]): Promise<void> {
    const byChannel = new Map<string, { history: HistoryOptions; messages: Publication[] }>();
    for (const { id, channel = '', data: text = '' } of entries) {
      const judged = this.#options.judge(channel, text);
      if (typeof judged === 'string') {
        this.#refuse(id, judged);
        continue;
      }
      const { data, history } = judged;
      const known = byChannel.get(channel);
      if (known !== undefined) known.messages.push({ entry: id, data });
      else byChannel.set(channel, { history, messages: [{ entry: id, data }] });
    }
    const appended = [...byChannel].map(([channel, { history, messages }]) =>
      this.#options.append(channel, messages, history),
    );
    await Promise.all(appended);
    this.counts.taken += entries.length;
  }

  #refuse(entry: string, reason: string): void {
    this.counts.refused++;
    this.counts.taken--;
    const now = performance.now();
    if (now < this.#complainAt) return;
    this.#complainAt = now + COMPLAIN_EVERY_MS;
    this.#options.log.warn({ entry, reason }, 'channels: an entry of sluice:publish is no message');
  }
}

function ignore(): void {}
