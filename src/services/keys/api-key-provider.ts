/** The way in with an API key. */
import { timingSafeEqual } from 'node:crypto';
import type { ApiKeyConfig } from '../../config/schema/auth.js';
import { DUPLICATE_CREDENTIALS, type Failure, INVALID_API_KEY } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import { BoundedMap } from '../bounded-map.js';
import type { Identity, Outcome, Provider, ProviderCounts, Refusal } from '../identity.js';
import { ProviderCounter } from '../provider-counter.js';
import type { Change, RecordReader } from '../store/record-store.js';
import type { StoreWatch } from '../store/store-watch.js';
import { hashOf, hasRightChecksum, keyIdIn } from './api-key.js';
import type { ConsumerRecord, KeyRecord } from './key-record.js';
import { Networks } from './networks.js';

export interface ApiKeyEnv {
  /** Milliseconds since 1970. */
  now(): number;
  readonly store: RecordReader;
  readonly watch: StoreWatch;
}

const SEVERAL = Symbol('several keys');

/** A key whose secret is right. */
interface Verified {
  readonly identity: Identity;
  readonly networks: Networks | null;
}

const REASONS = {
  malformed: refusal(INVALID_API_KEY, 'malformed'),
  unknown: refusal(INVALID_API_KEY, 'unknown'),
  revoked: refusal(INVALID_API_KEY, 'revoked'),
  expired: refusal(INVALID_API_KEY, 'expired'),
  network: refusal(INVALID_API_KEY, 'network'),
  duplicate: refusal(DUPLICATE_CREDENTIALS, 'duplicate'),
};

/** What an unknown key is compared with. Read as a record is, so that it takes as long. */
const DECOY = JSON.stringify({
  id: '000000000000',
  env: 'live',
  consumer: 'nobody',
  name: 'nothing',
  secrets: [{ hash: '0'.repeat(64), createdAt: 1_700_000_000_000, expiresAt: null }],
  roles: ['none'],
  scopes: [],
  plan: '',
  networks: [],
  expiresAt: null,
  revokedAt: null,
  createdAt: 1_700_000_000_000,
} satisfies KeyRecord);
const NO_HASH = Buffer.alloc(32);
/** Lists of networks that are remembered: making one takes 6 us. */
const MOST_NETWORKS = 1000;
/** Live secrets of one key: always compared with as many. */
const MOST_SECRETS = 2;

export class ApiKeyProvider implements Provider {
  readonly name: string;
  readonly method = 'apiKey';
  readonly challenge: string;
  readonly privateHeader: string;
  readonly privateCookie = null;
  readonly #env: ApiKeyEnv;
  readonly #verified: BoundedMap<string, Verified>;
  readonly #networks = new BoundedMap<string, Networks>(MOST_NETWORKS);
  readonly #stopListening: () => void;
  #used = new Map<string, number>();
  readonly #counter = new ProviderCounter();

  constructor(name: string, config: ApiKeyConfig, env: ApiKeyEnv) {
    this.name = name;
    this.privateHeader = config.header;
    this.challenge = `ApiKey realm="sluice", header="${config.header}"`;
    this.#env = env;
    this.#verified = new BoundedMap(config.cache);
    this.#stopListening = env.watch.listen((changes) => this.#forget(changes));
  }

  isAmbiguous(x: Exchange): boolean {
    return this.#keyIn(x) === SEVERAL;
  }

  authenticate(x: Exchange): Outcome {
    const key = this.#keyIn(x);
    if (key === null) return null;
    if (key === SEVERAL) return this.#counter.refused(REASONS.duplicate);
    let verified: Verified | Refusal | undefined = this.#verified.get(key);
    if (verified !== undefined) this.#counter.hits++;
    else {
      this.#counter.misses++;
      verified = this.#verify(key);
      if ('failure' in verified) return this.#counter.refused(verified);
      this.#verified.set(key, verified);
    }
    const { identity, networks } = verified;
    const now = this.#env.now();
    if (identity.expiresAt <= now) return this.#counter.refused(REASONS.expired);
    if (networks !== null && !networks.includes(x.clientIp)) return this.#counter.refused(REASONS.network);
    this.#used.set(identity.keyId, now);
    this.#counter.accepted++;
    return identity;
  }

  #keyIn({ headers }: Exchange): string | typeof SEVERAL | null {
    let key: string | null = null;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] !== this.privateHeader) continue;
      if (key !== null) return SEVERAL;
      key = headers[i + 1];
    }
    return key;
  }

  present(x: Exchange, key: string): void {
    const fields: string[] = [];
    for (let i = 0; i < x.headers.length; i += 2) {
      if (x.headers[i] !== this.privateHeader) fields.push(x.headers[i], x.headers[i + 1]);
    }
    x.headers = [...fields, this.privateHeader, key];
  }

  /** When keys were last used (milliseconds since 1970) since the last call, by their ids. */
  takeUsed(): ReadonlyMap<string, number> {
    const used = this.#used;
    this.#used = new Map();
    return used;
  }

  flush(): ProviderCounts {
    return this.#counter.flush();
  }

  close(): void {
    this.#stopListening();
    this.#verified.clear();
  }

  /** A typo, an unknown id and a wrong secret go the same way and take the same time: a hash, a record, two comparisons. */
  #verify(key: string): Verified | Refusal {
    const id = keyIdIn(key);
    if (id === null) return REASONS.malformed;
    const { store } = this.#env;
    const given = hashOf(key);
    const typedRight = hasRightChecksum(key);
    const known = store.get<KeyRecord>('key', id);
    const record = known ?? (JSON.parse(DECOY) as KeyRecord);
    const { secrets } = record;
    let right = -1;
    for (let i = 0; i < MOST_SECRETS; i++) {
      const expected = i < secrets.length ? Buffer.from(secrets[i].hash, 'hex') : NO_HASH;
      if (timingSafeEqual(given, expected)) right = i;
    }
    if (!typedRight) return REASONS.malformed;
    if (known === undefined || right < 0) return REASONS.unknown;
    if (known.revokedAt !== null) return REASONS.revoked;
    const consumer = store.get<ConsumerRecord>('consumer', known.consumer);
    if (consumer === undefined) return REASONS.unknown;
    if (!consumer.enabled) return REASONS.revoked;
    return {
      identity: this.#identityOf(known, consumer, secrets[right].expiresAt),
      networks: known.networks.length === 0 ? null : this.#networksOf(known.networks),
    };
  }

  #identityOf(key: KeyRecord, consumer: ConsumerRecord, secretExpiresAt: number | null): Identity {
    return Object.freeze({
      method: 'apiKey',
      provider: this.name,
      user: '',
      consumer: consumer.name,
      roles: Object.freeze([...new Set([...consumer.roles, ...key.roles])]),
      scopes: Object.freeze([...new Set([...consumer.scopes, ...key.scopes])]),
      plan: key.plan || consumer.plan,
      keyId: key.id,
      claims: Object.freeze({ consumer: consumer.name, key: key.id, name: key.name, env: key.env }),
      expiresAt: Math.min(key.expiresAt ?? Infinity, secretExpiresAt ?? Infinity),
    });
  }

  #networksOf(list: readonly string[]): Networks {
    const text = list.join(' ');
    let networks = this.#networks.get(text);
    if (networks === undefined) {
      networks = new Networks(list);
      this.#networks.set(text, networks);
    }
    return networks;
  }

  #forget(changes: readonly Change[] | null): void {
    if (changes === null) {
      this.#verified.clear();
      return;
    }
    const keys = new Set<string>();
    const consumers = new Set<string>();
    for (const { kind, id } of changes) {
      if (kind === 'key') keys.add(id);
      else if (kind === 'consumer') consumers.add(id);
    }
    if (keys.size + consumers.size === 0) return;
    this.#verified.drop(({ identity }) => keys.has(identity.keyId) || consumers.has(identity.consumer));
  }
}

function refusal(failure: Failure, reason: string): Refusal {
  return Object.freeze({ failure, reason });
}
