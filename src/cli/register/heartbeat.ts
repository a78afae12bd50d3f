/** Keeps an instance registered as long as it should be. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './place.js';
import type { Ready } from './readiness.js';

const LOOK_EVERY_MS = 100;
const RETRY_AFTER_MS = 1000;
const SLOW_START_MS = 30_000;
/** Nobody waits longer for a registry that is away. */
const LEAVE_WITHIN_MS = 1000;

export interface HeartbeatOptions {
  readonly places: readonly Place[];
  readonly ttlMs: number;
  /** Asked until it is true, before the instance is registered. */
  readonly ready: Ready;
  /** Asked before each renewal: an instance that is not well is not renewed. */
  readonly well: Ready | null;
  say(text: string): void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #stopped = new AbortController();
  readonly #registered = new Set<Place>();
  readonly #running: Promise<void>;
  #left: Promise<void> | null = null;
  /** What was said last, so that it is said once. */
  #complaint = '';

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Takes the instance out, wherever it is registered. A second call joins the first. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#left ??= this.#running.then(() => this.#leave());
    await Promise.race([this.#left, sleep(LEAVE_WITHIN_MS)]);
  }

  async #run(): Promise<void> {
    const { ready, ttlMs, well } = this.#options;
    const startedAt = performance.now();
    while (!this.#isStopped && !(await ready())) {
      if (performance.now() - startedAt > SLOW_START_MS) this.#complain('the instance does not answer yet');
      await this.#pause(LOOK_EVERY_MS);
    }
    while (!this.#isStopped) {
      const isWell = well === null || this.#registered.size === 0 || (await well());
      if (this.#isStopped) return;
      const renewed = isWell && (await this.#renew());
      if (!isWell) this.#complain('the instance is not well: its lease is not renewed');
      // A third: two signs of life may be lost.
      await this.#pause(renewed ? ttlMs / 3 : Math.min(RETRY_AFTER_MS, ttlMs / 3));
    }
  }

  async #renew(): Promise<boolean> {
    const { places, say } = this.#options;
    const before = this.#registered.size;
    const results = await Promise.allSettled(
      places.map(async (place) => {
        await place.renew();
        this.#registered.add(place);
      }),
    );
    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [(result.reason as Error).message] : [],
    );
    if (failures.length > 0) this.#complain(`not registered: ${failures.join('; ')}`);
    else if (this.#complaint !== '' || before === 0) say('registered');
    if (failures.length === 0) this.#complaint = '';
    return failures.length === 0;
  }

  async #leave(): Promise<void> {
    const { say } = this.#options;
    const results = await Promise.allSettled([...this.#registered].map((place) => place.leave()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined)
      say(`not deregistered, the lease will end: ${(failed.reason as Error).message}`);
    else if (results.length > 0) say('deregistered');
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopped.signal }).catch(() => {});
  }

  #complain(text: string): void {
    if (text !== this.#complaint) this.#options.say(text);
    this.#complaint = text;
  }
}
