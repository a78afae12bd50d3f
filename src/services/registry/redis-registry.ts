/** The registry in Redis. All methods reject with a StoreFault when Redis is away, and then begin afresh. */
import { RedisLink, type RedisPlace } from '../store/redis/redis-link.js';
import { MOST_BYTES } from './instance.js';
import { CHANGES, DEREGISTER, keysOf, REGISTER, SNAPSHOT, SWEEP } from './layout.js';
import type { Change, Listing, Mark, Registered, RegistryStore } from './registry-store.js';

const ANSWER_WITHIN_MS = 2000;
const REGISTERED: Readonly<Record<string, Registered>> = {
  '-1': 'full',
  '0': 'renewed',
  '1': 'new',
  '2': 'changed',
};

export class RedisRegistry implements RegistryStore {
  readonly #commands: RedisLink;
  readonly #listening: RedisLink;

  constructor(place: RedisPlace) {
    this.#commands = new RedisLink(place, ANSWER_WITHIN_MS);
    this.#listening = new RedisLink(place, ANSWER_WITHIN_MS);
  }

  async register(
    service: string,
    id: string,
    text: string,
    ttlMs: number,
    most: number,
  ): Promise<Registered> {
    const args = [service, id, text, ttlMs, most];
    const code = await this.#commands.use((redis) => redis.eval(REGISTER, 3, ...keysOf(service), ...args));
    return REGISTERED[String(code)] as Registered;
  }

  /** Resolves with whether it was there. */
  async deregister(service: string, id: string): Promise<boolean> {
    return (
      (await this.#commands.use((redis) => redis.eval(DEREGISTER, 3, ...keysOf(service), service, id))) !== 0
    );
  }

  /** Takes out, for all machines, the instances of these services whose leases have ended. */
  async sweep(services: readonly string[]): Promise<Mark[]> {
    const answers = await this.#commands.use((redis) =>
      Promise.all(
        services.map(
          (service) => redis.eval(SWEEP, 3, ...keysOf(service), service) as Promise<(string | null)[]>,
        ),
      ),
    );
    return answers.map(([epoch, n]) => ({ epoch: epoch ?? '', n: Number(n ?? 0) }));
  }

  /** `first`: ids that are wanted before others, when there are more than `most`. */
  async list(service: string, most: number, first: readonly string[]): Promise<Listing> {
    const [epoch = '', n, count, ...rest] = (await this.#commands.use((redis) =>
      redis.eval(SNAPSHOT, 3, ...keysOf(service), most, MOST_BYTES, ...first),
    )) as (string | number)[];
    const entries = Array.from({ length: rest.length / 3 }, (_, i) => ({
      id: String(rest[3 * i]),
      leftMs: Number(rest[3 * i + 1]),
      text: String(rest[3 * i + 2]),
    }));
    return { epoch: String(epoch), n: Number(n), count: Number(count), entries };
  }

  /** Calls `onChange` until the connection ends, which `onEnd` tells once. Resolves when nothing can be missed any more. */
  async listen(onChange: (change: Change) => void, onEnd: () => void): Promise<void> {
    await this.#listening.use(async (redis) => {
      redis.on('message', (_, message: string) => {
        const [service = '', left] = message.split(' ', 2);
        onChange({ service, left });
      });
      redis.once('end', onEnd);
      await redis.subscribe(CHANGES);
    });
  }

  /** Whether the connection that listens is alive. */
  async ping(): Promise<void> {
    await this.#listening.use((redis) => redis.ping());
  }

  close(): void {
    this.#commands.close();
    this.#listening.close();
  }
}
