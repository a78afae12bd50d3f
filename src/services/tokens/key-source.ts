import type { JwtConfig } from '../../config/schema/auth.js';
import type { Refusal } from '../identity.js';
import type { KeySet } from '../primary-answers.js';
import { type Candidates, KeyRing } from './key-ring.js';
import { ALGORITHM, KEYS_UNAVAILABLE, UNKNOWN_KEY } from './refusals.js';
import type { TokenHeader } from './token-form.js';
import { configuredKeys } from './verifying-key.js';

/** Where the keys of an issuer come from that are not in the configuration. */
export interface KeySource {
  /** What is known now; null: nothing yet. */
  current(): KeySet | null;
  /** Asks for a key of this name (null: any new one) that is missing now. Rejects when no keys can be had at all. */
  refresh(kid: string | null): Promise<KeySet>;
  /** There are other keys than before. */
  onChange(listener: () => void): void;
}

/** The keys of a provider, wherever they come from. */
export class ProviderKeys {
  readonly #source: KeySource | null;
  readonly #now: () => number;
  #ring: KeyRing;
  #refresh: Promise<unknown> | null = null;

  /** Throws an Error for people when a key of the configuration cannot be used. `source` null: they are all there. */
  constructor(
    provider: string,
    config: JwtConfig,
    { source, now, onChange }: { source: KeySource | null; now: () => number; onChange: () => void },
  ) {
    this.#source = source;
    this.#now = now;
    const read = () => KeyRing.published(source?.current() ?? null, config.algorithms);
    this.#ring = source === null ? KeyRing.configured(configuredKeys(provider, config)) : read();
    source?.onChange(() => {
      // Also when the provider is closed: tokens may still wait for their key.
      this.#ring = read();
      onChange();
    });
  }

  /** Keys of now. */
  get ring(): KeyRing {
    return this.#ring;
  }

  /** null: the issuer may have one, see `ask`. */
  find({ algorithm, kid }: TokenHeader): Candidates | Refusal | null {
    const found = this.#ring.find(algorithm, kid);
    if (found !== null) return found;
    return this.#source === null || !this.#ring.lacks(kid) ? ALGORITHM : null;
  }

  /** Whether `ask` would bring nothing: it was done a short time ago, or there is nobody to ask. */
  get isQuiet(): boolean {
    if (this.#source === null) return true;
    const set = this.#source.current();
    return set !== null && this.#now() < set.quietUntil;
  }

  /** Keys for a token that none fits, or that is not signed with these. The issuer is asked once for all tokens that wait. */
  async ask(header: TokenHeader, but: Candidates | null = null): Promise<Candidates | Refusal> {
    const source = this.#source as KeySource;
    // What another token has asked for may have been answered without the key of this one: then it asks for itself.
    for (let turn = 0; turn < 2; turn++) {
      const joined = this.#refresh !== null;
      try {
        await this.#refreshed(source, header.kid);
      } catch {
        return source.current() === null ? KEYS_UNAVAILABLE : UNKNOWN_KEY;
      }
      const found = this.find(header);
      if (found !== null && found !== but) return found;
      if (!joined || this.isQuiet) break;
    }
    return UNKNOWN_KEY;
  }

  #refreshed(source: KeySource, kid: string | null): Promise<unknown> {
    this.#refresh ??= source.refresh(kid).finally(() => {
      this.#refresh = null;
    });
    return this.#refresh;
  }
}
