/** The ledger of several machines. Redis has all of it; leases and times are by its clock. */
import { randomUUID } from 'node:crypto';
import type { Settlement } from '../../idempotency/claims.js';
import { RedisLink, type RedisPlace } from '../redis/redis-link.js';
import { StoreFault } from '../store-fault.js';
import { type Claim, type KeyView, LEASE_MS, type Ledger, LONGEST_RUN_MS } from './ledger.js';
import { BEAT, CLAIM, CLEAR, KEY, LIFE, LOOK, MARKER, RESTORE, SETTLE, SETTLING } from './scripts.js';

const ANSWER_WITHIN_MS = 2000;

export class RedisLedger implements Ledger {
  readonly #link: RedisLink;
  readonly #life = randomUUID();
  /** Empty before the first beat. */
  #marker = '';
  readonly #held: () => Iterable<Claim>;

  /** `held`: the claims under way here. */
  constructor(place: RedisPlace, held: () => Iterable<Claim>) {
    this.#link = new RedisLink(place, ANSWER_WITHIN_MS);
    this.#held = held;
  }

  async claim(claim: Claim): ReturnType<Ledger['claim']> {
    let told = await this.#claim(claim);
    if (String(told[0]) === 'no lease') {
      await this.beat();
      told = await this.#claim(claim);
    }
    const [word, status, headers, body] = told;
    const state = String(word);
    switch (state) {
      case 'claimed':
      case 'running':
      case 'reused':
      case 'unknown':
        return { state };
      case 'large':
        return { state, status: Number(status) };
      case 'done': {
        const fields = JSON.parse(String(headers)) as string[];
        return { state, answer: { status: Number(status), headers: fields, body: body as Buffer } };
      }
      default:
        throw new StoreFault(
          state === 'settling'
            ? 'Redis has lost its keys: gateways bring back what they have under way'
            : `Redis has an idempotency key in the state "${state}"`,
        );
    }
  }

  async settle({ id, token, fingerprint, ttlMs }: Claim, settlement: Settlement): Promise<boolean> {
    const { state } = settlement;
    const answer = state === 'done' ? settlement.answer : null;
    const status = state === 'large' ? settlement.status : (answer?.status ?? 0);
    const rest = [state, status, JSON.stringify(answer?.headers ?? []), answer?.body ?? ''];
    const written = await this.#link.use((redis) =>
      redis.eval(SETTLE, 1, KEY + id, fingerprint, token, this.#life, ttlMs, ...rest),
    );
    return written === 1;
  }

  async beat(): Promise<void> {
    const known = this.#marker;
    const keys = [LIFE + this.#life, MARKER, SETTLING];
    const marker = await this.#link.use((redis) =>
      redis.eval(BEAT, keys.length, ...keys, LEASE_MS, known, randomUUID()),
    );
    // Not before all of them are there again: until then the next beat tries once more.
    if (known !== '' && marker !== known) await this.#restore();
    this.#marker = String(marker);
  }

  async look(id: string): Promise<KeyView | null> {
    const told = (await this.#link.use((redis) => redis.eval(LOOK, 1, KEY + id))) as string[];
    if (told.length === 0) return null;
    const [state, status, since, until] = told;
    return {
      state: state as KeyView['state'],
      status: Number(status),
      since: Number(since),
      until: Number(until),
    };
  }

  async clear(id: string): Promise<'cleared' | 'none' | 'running'> {
    const told = await this.#link.use((redis) => redis.eval(CLEAR, 1, KEY + id));
    return told as 'cleared' | 'none' | 'running';
  }

  async close(): Promise<void> {
    await this.#link.use((redis) => redis.del(LIFE + this.#life)).catch(() => {});
    this.#link.close();
  }

  #claim({ id, token, fingerprint, ttlMs }: Claim): Promise<(Buffer | undefined)[]> {
    const keys = [KEY + id, LIFE + this.#life, SETTLING];
    const args = [fingerprint, token, this.#life, ttlMs + LONGEST_RUN_MS];
    return this.#link.use(
      (redis) => redis.callBuffer('eval', [CLAIM, keys.length, ...keys, ...args]) as Promise<Buffer[]>,
    );
  }

  async #restore(): Promise<void> {
    const claims = [...this.#held()];
    await this.#link.use((redis) =>
      Promise.all(
        claims.map(({ id, token, fingerprint, ttlMs }) =>
          redis.eval(RESTORE, 1, KEY + id, fingerprint, token, this.#life, ttlMs + LONGEST_RUN_MS),
        ),
      ),
    );
  }
}
