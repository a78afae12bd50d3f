import type { JwtConfig } from '../../config/schema/auth.js';
import type { Log } from '../../observe/log.js';
import type { KeySet, MissingKey } from '../../services/primary-answers.js';
import { KeyFetcher } from './key-fetcher.js';

const LOOK_EVERY_MS = 1000;

export interface KeysOptions {
  readonly providers: Readonly<Record<string, JwtConfig>>;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
  /** There are other keys than before: for the workers. */
  readonly onChange: (set: KeySet) => void;
}

/** The keys that issuers publish, fetched once for the machine. */
export class Keys {
  readonly #options: KeysOptions;
  readonly #timer: NodeJS.Timeout;
  #followed = new Map<string, { readonly fetcher: KeyFetcher; readonly source: string }>();

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.tick(), LOOK_EVERY_MS).unref();
    this.follow(options.providers);
  }

  /** `missing`: what the worker's keys lack. Rejects with an Error for people when there are no keys at all. */
  async ask({ provider, missing }: { provider: string; missing: MissingKey }): Promise<KeySet> {
    const followed = this.#followed.get(provider);
    if (followed === undefined) throw new Error(`"${provider}" has no published keys`);
    return await followed.fetcher.ask(missing);
  }

  /** After a reload. Providers whose keys come from where they came from keep them. */
  follow(providers: Readonly<Record<string, JwtConfig>>): void {
    const before = this.#followed;
    this.#followed = new Map();
    for (const [provider, config] of Object.entries(providers)) {
      if (!isPublished(config)) continue;
      const source = JSON.stringify([
        config.jwks ?? config.issuer,
        config.jwks === undefined,
        config.algorithms,
      ]);
      const known = before.get(provider);
      const kept = known?.source === source ? known : { fetcher: this.#fetcher(provider, config), source };
      this.#followed.set(provider, kept);
    }
    for (const [provider, { fetcher }] of before) {
      if (this.#followed.get(provider)?.fetcher !== fetcher) fetcher.close();
    }
  }

  /** Seconds since the keys were fetched. Providers whose keys have never come are left out. */
  ages(): Map<string, number> {
    const ages = new Map<string, number>();
    for (const [provider, { fetcher }] of this.#followed) {
      if (fetcher.fetchedAt > 0) ages.set(provider, (this.#options.now() - fetcher.fetchedAt) / 1000);
    }
    return ages;
  }

  /** Fetches what is due; happens each second by itself. Resolves when that has ended, one way or the other. */
  async tick(): Promise<void> {
    await Promise.all([...this.#followed.values()].map(({ fetcher }) => fetcher.tick()));
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { fetcher } of this.#followed.values()) fetcher.close();
  }

  #fetcher(provider: string, config: JwtConfig): KeyFetcher {
    const { log, now, random = Math.random, onChange } = this.#options;
    return new KeyFetcher({ provider, config, log, now, random, onChange });
  }
}

/** Its keys are not in the configuration. */
export function isPublished({ jwks, secret, publicKey }: JwtConfig): boolean {
  return jwks !== undefined || (secret === undefined && publicKey === undefined);
}
