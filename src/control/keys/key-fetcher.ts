import type { JwtConfig } from '../../config/schema/auth.js';
import type { Log } from '../../observe/log.js';
import type { KeySet, MissingKey } from '../../services/primary-answers.js';
import { fetchDocument, whyFailed } from './document.js';
import { freshMs } from './freshness.js';
import { usableKeys } from './usable-keys.js';

const TIMEOUT_MS = 5000;
/** Within this time after a fetch for a missing key, no other one leads to a fetch. */
const MISSING_KEY_QUIET_MS = 30_000;
/** The same after a fetch that failed, whatever it was for. */
const FAILURE_QUIET_MS = 5000;
const LONGEST_BACK_OFF_MS = 300_000;
/** Where the keys are, by discovery, is asked again after this time. */
const DISCOVERY_MS = 3_600_000;

export interface KeyFetcherOptions {
  readonly provider: string;
  readonly config: JwtConfig;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** There are other keys than before. */
  readonly onChange: (set: KeySet) => void;
}

/** The published keys of one issuer, fetched in time and when somebody misses one; old ones are kept while it is down. */
export class KeyFetcher {
  readonly #options: KeyFetcherOptions;
  readonly #closing = new AbortController();
  #set: KeySet | null = null;
  /** What `#set` holds, to see changes. */
  #published = '';
  #flight: Promise<void> | null = null;
  #dueAt: number;
  #quietUntil = 0;
  #failures = 0;
  #why = '';
  #discovered: { readonly url: string; readonly until: number } | null = null;

  /** Fetches at once. */
  constructor(options: KeyFetcherOptions) {
    this.#options = options;
    this.#dueAt = options.now();
    void this.#fetch(false);
  }

  /** Milliseconds since 1970; 0: never. */
  get fetchedAt(): number {
    return this.#set?.fetchedAt ?? 0;
  }

  /** The keys; the issuer is asked for one they lack, unless it was a short time ago. Rejects when there never were any. */
  async ask(missing: MissingKey): Promise<KeySet> {
    // What is under way may have been answered before the key was published: if it is still missing, we ask again.
    if (this.#lacks(missing)) await this.#flight;
    if (this.#lacks(missing) && this.#options.now() >= this.#quietUntil) {
      await this.#fetch(this.#set !== null);
    }
    if (this.#set === null) {
      throw new Error(`the keys of "${this.#options.provider}" cannot be had: ${this.#why}`);
    }
    return { ...this.#set, quietUntil: this.#quietUntil };
  }

  /** Fetches if it is time to; resolves when nothing is under way any more. */
  async tick(): Promise<void> {
    if (this.#options.now() >= this.#dueAt) await this.#fetch(false);
  }

  close(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#quietUntil = Number.POSITIVE_INFINITY;
    this.#why = 'the configuration has changed';
    this.#closing.abort();
  }

  #lacks({ kid, version }: MissingKey): boolean {
    if (this.#set === null) return true;
    return kid === null ? this.#set.version === version : !this.#set.keys.some((key) => key.kid === kid);
  }

  /** One at a time. Never rejects. */
  #fetch(forMissingKey: boolean): Promise<void> {
    this.#flight ??= this.#load(forMissingKey).finally(() => {
      this.#flight = null;
    });
    return this.#flight;
  }

  async #load(forMissingKey: boolean): Promise<void> {
    const { config, now, random } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const { content, headers } = await fetchDocument(await this.#address(signal), signal);
      const keys = usableKeys(content, config.algorithms);
      const freshFor = freshMs(headers);
      // Gateways that started together do not ask together.
      this.#dueAt = now() + freshFor - random() * Math.min(freshFor / 10, 60_000);
      if (forMissingKey) this.#quietUntil = now() + MISSING_KEY_QUIET_MS;
      this.#succeeded(keys);
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#failed(whyFailed(error));
    }
  }

  #succeeded(keys: KeySet['keys']): void {
    const { provider, log, now, onChange } = this.#options;
    if (this.#failures > 0) log.info({ provider, keys: keys.length }, 'issuer publishes its keys again');
    this.#failures = 0;
    const published = JSON.stringify(keys);
    const version = this.#set?.version ?? 0;
    const changed = published !== this.#published;
    this.#published = published;
    this.#set = {
      provider,
      version: changed ? version + 1 : version,
      keys: changed || this.#set === null ? keys : this.#set.keys,
      fetchedAt: now(),
      quietUntil: this.#quietUntil,
    };
    if (changed) onChange(this.#set);
  }

  #failed(why: string): void {
    const { provider, log, now, random } = this.#options;
    this.#why = why;
    this.#discovered = null;
    const waitMs = Math.min(FAILURE_QUIET_MS * 2 ** this.#failures++, LONGEST_BACK_OFF_MS);
    this.#dueAt = now() + waitMs * (1 - 0.2 * random());
    this.#quietUntil = Math.max(this.#quietUntil, now() + FAILURE_QUIET_MS);
    if (this.#failures > 1) return;
    const kept = this.#set?.keys.length ?? 0;
    log.warn({ provider, why, kept }, 'keys of the issuer cannot be fetched');
  }

  /** Where the keys are. */
  async #address(signal: AbortSignal): Promise<string> {
    const { config, now } = this.#options;
    if (config.jwks !== undefined) return config.jwks;
    if (this.#discovered === null || now() >= this.#discovered.until) {
      const issuer = config.issuer?.[0] ?? '';
      this.#discovered = { url: await discover(issuer, signal), until: now() + DISCOVERY_MS };
    }
    return this.#discovered.url;
  }
}

/** OpenID Connect Discovery 1.0 §4. */
async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const { content } = await fetchDocument(
    `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    signal,
  );
  const metadata = content as { issuer?: unknown; jwks_uri?: unknown } | null;
  if (metadata?.issuer !== issuer) throw new Error('the discovery document is of another issuer');
  const { jwks_uri: url } = metadata;
  if (typeof url !== 'string' || !URL.canParse(url)) throw new Error('the discovery document names no keys');
  if (!url.startsWith('https://') && !(url.startsWith('http://') && issuer.startsWith('http://'))) {
    throw new Error('the discovery document names keys at an insecure address');
  }
  return url;
}
