import type { Log } from '../../observe/log.js';

const QUIET_MS = 1000;

/** Whether a server answers: told to the log once per change. */
export class Availability {
  readonly #log: Log;
  readonly #fields: Readonly<Record<string, string>>;
  readonly #now: () => number;
  #quietUntil = 0;
  #down = false;

  /** `fields` say which server. */
  constructor(log: Log, fields: Readonly<Record<string, string>>, now: () => number) {
    this.#log = log;
    this.#fields = fields;
    this.#now = now;
  }

  /** It failed within the last second: one more question would fail, too, and many would do harm. */
  get quiet(): boolean {
    return this.#down && this.#now() < this.#quietUntil;
  }

  answered(): void {
    if (this.#down) this.#log.info(this.#fields, 'identity provider answers again');
    this.#down = false;
  }

  failed(why: string): void {
    if (!this.#down) this.#log.warn({ ...this.#fields, why }, 'identity provider gives no usable answer');
    this.#down = true;
    this.#quietUntil = this.#now() + QUIET_MS;
  }
}
