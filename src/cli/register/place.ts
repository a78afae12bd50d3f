/** Where an instance is registered: in Redis, or with gateways that have none. */
import { formatInstance, type Instance } from '../../services/registry/instance.js';
import { RedisRegistry } from '../../services/registry/redis-registry.js';

/** What is registered. */
export interface Lease {
  readonly service: string;
  readonly id: string;
  readonly instance: Instance;
  readonly ttlMs: number;
}

export interface Place {
  /** Registers the instance, or renews its lease. Rejects with an Error for people. */
  renew(): Promise<void>;
  /** Rejects with an Error for people. */
  leave(): Promise<void>;
  close(): void;
}

/** What the gateways use of a service at most is theirs to say; this bounds what one can fill Redis with. */
const MOST_INSTANCES = 8000;
const ANSWER_WITHIN_MS = 2000;

export function inRedis(url: string, { service, id, instance, ttlMs }: Lease): Place {
  const registry = new RedisRegistry(url);
  const text = formatInstance(instance);
  return {
    async renew() {
      if ((await registry.register(service, id, text, ttlMs, MOST_INSTANCES)) !== 'full') return;
      throw new Error(`"${service}" has ${MOST_INSTANCES} instances already`);
    },
    async leave() {
      await registry.deregister(service, id);
    },
    close: () => registry.close(),
  };
}

/** `admin`: the URL of the admin API. */
export function atGateway(
  admin: string,
  token: string | undefined,
  { service, id, instance, ttlMs }: Lease,
): Place {
  const path = `/registry/${encodeURIComponent(service)}/${encodeURIComponent(id)}`;
  const body = JSON.stringify({ ...instance, zone: instance.zone || undefined, ttl: `${ttlMs}ms` });
  const send = async (method: 'PUT' | 'DELETE', takes: readonly number[]) => {
    const answer = await fetch(new URL(path, admin), {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      redirect: 'error',
      ...(method === 'PUT' && { body }),
    }).catch(() => {
      throw new Error(`the gateway at ${admin} cannot be reached`);
    });
    const text = await answer.text();
    if (!takes.includes(answer.status))
      throw new Error(`the gateway at ${admin} answers ${answer.status}: ${reasonIn(text)}`);
  };
  return {
    renew: () => send('PUT', [200, 201]),
    leave: () => send('DELETE', [200, 404]),
    close() {},
  };
}

/** What a problem document says (RFC 9457). */
function reasonIn(text: string): string {
  try {
    return String(JSON.parse(text).detail ?? 'no reason given');
  } catch {
    return 'no reason given';
  }
}
