/** The keys of an issuer in a worker: the primary fetches them, once for the machine. */
import type { PrimaryLink } from '../bus.js';
import type { KeySet } from './primary-answers.js';
import type { KeySource } from './tokens/key-source.js';

/** Longer than the primary waits for an issuer. */
const ANSWER_WITHIN_MS = 8000;

export class PrimaryKeys implements KeySource {
  readonly #provider: string;
  readonly #primary: PrimaryLink;
  readonly #listeners: (() => void)[] = [];
  #set: KeySet | null = null;

  constructor(provider: string, primary: PrimaryLink) {
    this.#provider = provider;
    this.#primary = primary;
  }

  current(): KeySet | null {
    return this.#set;
  }

  async refresh(kid: string | null): Promise<KeySet> {
    const missing = { kid, version: this.#set?.version ?? 0 };
    const set = await this.#primary.ask('keys', { provider: this.#provider, missing }, ANSWER_WITHIN_MS);
    this.take(set);
    return this.#set as KeySet;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** From the primary, asked for or not; an older one than we have is one that was overtaken. */
  take(set: KeySet): void {
    if (this.#set !== null && set.version < this.#set.version) return;
    const changed = set.version !== this.#set?.version;
    this.#set = set;
    if (changed) for (const listener of this.#listeners) listener();
  }
}
