/**
 * A channel whose messages are wanted on this machine: told once each and in order, whatever becomes of the connection that
 * brings them. A hole is filled from the log; where the log does not have it any more, what is told next has another epoch
 * or a later offset, and that is how whoever listens sees the gap.
 */
import type { Message, Position } from '../log.js';

/** What the log has behind a position. */
export interface Reading {
  readonly head: Position;
  /** Nothing is missing between the position and `missed`. */
  readonly whole: boolean;
  /** Up to the head, or to where it was enough for one reading. */
  readonly missed: readonly Message[];
  readonly latest: Message | null;
  /** From this offset on nothing is missing. */
  readonly oldest: number;
}

export interface FollowedEnv {
  tell(message: Message, epoch: string): void;
  /** `heard`: as far as this machine knows the log. Rejects while it cannot be read. */
  read(since: Position, heard: Position): Promise<Reading>;
  /** What was missed could be told after all, or not. */
  onHealed(messages: number, whole: boolean): void;
}

interface Waiter {
  readonly head: Position;
  resolve(): void;
}

const NOWHERE: Position = { epoch: '', offset: 0 };
/** What the log already has is on its way: only after this long it is fetched. */
const ON_ITS_WAY_MS = 200;
/** Messages that wait for a hole to be filled; what comes behind them is a hole again. */
const MOST_HELD = 1000;

export class FollowedChannel {
  /** Up to here everything was told; null: that is not known yet, and nobody relies on it. */
  at: Position | null = null;
  readonly #env: FollowedEnv;
  #healing: Promise<void> | null = null;
  #held: { readonly message: Message; readonly epoch: string }[] = [];
  readonly #tails = new Set<Message[]>();
  #waiters: Waiter[] = [];

  constructor(env: FollowedEnv) {
    this.#env = env;
  }

  /** A message as it was heard. */
  take(message: Message, epoch: string): void {
    if (this.#healing !== null) return this.#hold(message, epoch);
    const { at } = this;
    if (at !== null && at.epoch === epoch) {
      if (message.offset <= at.offset) return;
      if (message.offset > at.offset + 1) {
        this.#hold(message, epoch);
        return void this.heal().catch(ignore);
      }
    }
    this.#tell(message, epoch);
  }

  /** From now on what is told is written down there, too. */
  record(tail: Message[]): void {
    this.#tails.add(tail);
  }

  stopRecording(tail: Message[]): void {
    this.#tails.delete(tail);
  }

  /** Resolves when everything up to there was told, or cannot be. Rejects while the log cannot be read. */
  async reach(head: Position): Promise<void> {
    this.at ??= head;
    if (this.#isAt(head)) return;
    if (this.at.epoch === head.epoch) await this.#come(head);
    if (!this.#isAt(head)) await this.heal();
  }

  /** Tells what was missed. Rejects while the log cannot be read. */
  heal(): Promise<void> {
    if (this.at === null) return this.#begin();
    this.#healing ??= this.#heal().finally(() => {
      this.#healing = null;
      for (const { message, epoch } of this.#held.splice(0)) this.take(message, epoch);
    });
    return this.#healing;
  }

  /** Nobody has asked yet: what comes from now on must not be missed, and nothing before it was promised. */
  async #begin(): Promise<void> {
    const { head } = await this.#env.read(NOWHERE, NOWHERE);
    this.at ??= head;
  }

  async #heal(): Promise<void> {
    try {
      while (!(await this.#healSome()));
    } catch (error) {
      this.#held = []; // they are read with the rest
      throw error;
    }
  }

  /** As much as comes at once. True: that was all. */
  async #healSome(): Promise<boolean> {
    const { at } = this;
    if (at === null) return true;
    const { head, whole, missed, latest } = await this.#env.read(at, at);
    if (whole) for (const message of missed) this.#tell(message, head.epoch);
    else if (latest !== null) this.#tell(latest, head.epoch);
    else this.#arrive(head);
    if (!whole || missed.length > 0) this.#env.onHealed(missed.length, whole);
    const last = missed.at(-1);
    return !whole || last === undefined || last.offset >= head.offset;
  }

  #hold(message: Message, epoch: string): void {
    if (this.#held.length < MOST_HELD) this.#held.push({ message, epoch });
  }

  #tell(message: Message, epoch: string): void {
    for (const tail of this.#tails) tail.push(message);
    this.#env.tell(message, epoch);
    this.#arrive({ offset: message.offset, epoch });
  }

  #arrive(at: Position): void {
    this.at = at;
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters.filter(({ head }) => this.#isAt(head))) waiter.resolve();
  }

  #isAt({ offset, epoch }: Position): boolean {
    return this.at !== null && this.at.epoch === epoch && this.at.offset >= offset;
  }

  #come(head: Position): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        resolve();
      };
      const waiter: Waiter = { head, resolve: done };
      const timer = setTimeout(done, ON_ITS_WAY_MS);
      this.#waiters.push(waiter);
    });
  }
}

function ignore(): void {}
