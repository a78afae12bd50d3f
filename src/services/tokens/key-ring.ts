import type { Algorithm } from '../../config/schema/auth.js';
import type { KeySet } from '../primary-answers.js';
import { publishedKey, type VerifyingKey } from './verifying-key.js';

/** Keys of one algorithm that a token may have been signed with. The same object for all such tokens. */
export interface Candidates {
  readonly keys: readonly VerifyingKey[];
  /** Their texts, for threads. Empty for HMAC. */
  readonly texts: readonly string[];
  /** What tells them from other keys. The name counts: who takes it from a key has withdrawn it. */
  readonly marks: readonly string[];
}

/** A token that names no key is tried with no more than this many. */
const MOST_TRIED = 4;

/** The keys of a provider at one time. */
export class KeyRing {
  /** Keys of a configuration have no names, whatever `kid` says. */
  readonly #named: boolean;
  readonly #byAlgorithm = new Map<string, Candidates>();
  readonly #byKid = new Map<string, Map<string, Candidates>>();
  readonly #marks: ReadonlySet<string>;

  static configured(keys: readonly VerifyingKey[]): KeyRing {
    return new KeyRing(keys, false, keys.length);
  }

  static published(set: KeySet | null, algorithms: readonly Algorithm[]): KeyRing {
    const keys = (set?.keys ?? []).flatMap((jwk) => publishedKey(jwk, algorithms) ?? []);
    return new KeyRing(keys, true, MOST_TRIED);
  }

  private constructor(keys: readonly VerifyingKey[], named: boolean, most: number) {
    this.#named = named;
    this.#marks = new Set(keys.map(markOf));
    for (const [algorithm, fitting] of Map.groupBy(keys, (key) => key.algorithm)) {
      this.#byAlgorithm.set(algorithm, candidates(fitting, most));
    }
    for (const [kid, same] of Map.groupBy(keys, (key) => key.kid)) {
      if (kid === null) continue;
      const byAlgorithm = Map.groupBy(same, (key) => key.algorithm);
      this.#byKid.set(
        kid,
        new Map([...byAlgorithm].map(([algorithm, fitting]) => [algorithm, candidates(fitting, most)])),
      );
    }
  }

  /** Keys that are bound to this algorithm and, if they have names, have this one (null: any). */
  find(algorithm: string, kid: string | null): Candidates | null {
    const fitting = kid === null || !this.#named ? this.#byAlgorithm : this.#byKid.get(kid);
    return fitting?.get(algorithm) ?? null;
  }

  /** A key of this name may be published later: there is none now. */
  lacks(kid: string | null): boolean {
    return this.#named && (kid === null || !this.#byKid.has(kid));
  }

  /** All of them are still among the keys. */
  holds({ marks }: Candidates): boolean {
    return marks.every((mark) => this.#marks.has(mark));
  }
}

function candidates(fitting: readonly VerifyingKey[], most: number): Candidates {
  const keys = fitting.slice(0, most);
  const texts = keys.filter(({ secret }) => secret === null).map(({ text }) => text);
  return { keys, texts, marks: keys.map(markOf) };
}

function markOf({ kid, text }: VerifyingKey): string {
  return JSON.stringify([kid, text]);
}
