/** The source of one channel: a connection to its service, and another one when it ends, later and later while it fails. */
import { jsonLine } from '../../services/channels/message-data.js';
import type { SourceNews, SourceSpec } from '../../services/channels/sources.js';
import type { Deadlines } from '../../upstream/deadlines.js';
import type { Service } from '../../upstream/service.js';
import { type DialEvents, SourceDial } from './source-dial.js';

export interface SourceEnv {
  /** null: this configuration has no such service. */
  service(name: string): Service | null;
  tell(news: SourceNews): void;
  /** Of what came: it is no message. */
  onGarbage(): void;
  readonly deadlines: Deadlines;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;
/** A connection that lived for so long was well. */
const GOOD_LIFE_MS = 10_000;

export class ChannelSource implements DialEvents {
  readonly spec: SourceSpec;
  readonly #env: SourceEnv;
  #dial: SourceDial | null = null;
  #openedAt = 0;
  #waitMs = FIRST_WAIT_MS;
  #timer: NodeJS.Timeout | undefined;
  #lastId: string;
  #paused = false;
  #over = false;

  constructor(spec: SourceSpec, env: SourceEnv) {
    this.spec = spec;
    this.#env = env;
    this.#lastId = spec.lastId;
  }

  get open(): boolean {
    return this.#openedAt > 0;
  }

  start(): void {
    if (this.#over) return;
    const service = this.#env.service(this.spec.service);
    if (service === null) return this.#again();
    this.#dial = new SourceDial(this.spec, this.#lastId, this, this.#env.deadlines);
    if (this.#paused) this.#dial.pause();
    this.#dial.start(service);
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#dial?.close();
    this.#dial = null;
  }

  pause(): void {
    this.#paused = true;
    this.#dial?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#dial?.resume();
  }

  check(now: number): void {
    this.#dial?.check(now);
  }

  onOpened(): void {
    this.#openedAt = performance.now();
    this.#env.tell({ channel: this.spec.channel, opened: true, resumed: this.#lastId !== '' });
  }

  onText(text: string | null, id: string): void {
    if (id !== '') this.#lastId = id;
    if (text === null) return this.#env.onGarbage();
    // Text that is no JSON is one: a string.
    const data = jsonLine(text) ?? JSON.stringify(text);
    if (data.length > this.spec.maxBytes) return this.#env.onGarbage();
    this.#env.tell({ channel: this.spec.channel, data, id });
  }

  onEnded(reason: string): void {
    this.#dial = null;
    if (this.#openedAt > 0 && performance.now() - this.#openedAt > GOOD_LIFE_MS) this.#waitMs = FIRST_WAIT_MS;
    this.#openedAt = 0;
    this.#env.tell({ channel: this.spec.channel, lost: reason });
    this.#again();
  }

  #again(): void {
    if (this.#over) return;
    this.#timer = setTimeout(() => this.start(), this.#waitMs * (0.7 + 0.6 * Math.random()));
    this.#timer.unref();
    this.#waitMs = Math.min(LONGEST_WAIT_MS, 2 * this.#waitMs);
  }
}
