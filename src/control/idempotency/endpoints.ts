import { type Caller, keyId } from '../../services/idempotency/fingerprint.js';
import type { Ledger } from '../../services/store/idempotency/ledger.js';
import { StoreFault } from '../../services/store/store-fault.js';
import { type Call, type ControlPlane, type Endpoint, json, problem, type Reply } from '../admin/endpoint.js';

/** What logs have instead of key and caller. */
const ID = /^[0-9a-f]{64}$/;
const CALLER = ['provider', 'user', 'consumer', 'keyId'] as const;

const show: Endpoint = {
  path: '/idempotency/:key',
  method: 'GET',
  summary:
    'What is known of an idempotency key: the id from the log, or the key with ?provider=&user=&consumer=&keyId=.',
  handle: withLedger(async (ledger, id) => {
    const view = await ledger.look(id);
    return view === null ? unknownKey() : json({ id, ...told(view) });
  }),
};

const clear: Endpoint = {
  path: '/idempotency/:key',
  method: 'DELETE',
  summary: 'Forgets an idempotency key: the next request with it is sent. Named as above.',
  handle: withLedger(async (ledger, id, plane, { remote }) => {
    const result = await ledger.clear(id);
    if (result === 'none') return unknownKey();
    if (result === 'running') return problem(409, 'Under way', 'a request with this key is under way');
    plane.audit({ event: 'admin.idempotency.clear', id, remote });
    return { status: 204, body: '', contentType: 'application/json; charset=utf-8' };
  }),
};

export const idempotencyEndpoints: readonly Endpoint[] = [show, clear];

type Handler = (ledger: Ledger, id: string, plane: ControlPlane, call: Call) => Promise<Reply>;

function withLedger(handle: Handler): Endpoint['handle'] {
  return async (plane, call) => {
    const ledger = plane.idempotency().ledger();
    if (ledger === null) return problem(409, 'No idempotency keys', 'no route uses idempotency keys');
    try {
      return await handle(ledger, idOf(call), plane, call);
    } catch (error) {
      if (error instanceof StoreFault) return problem(503, 'Store unavailable', error.message);
      throw error;
    }
  };
}

function idOf({ params, query }: Call): string {
  const { key = '' } = params;
  if (ID.test(key) && CALLER.every((part) => !query.has(part))) return key;
  const caller = Object.fromEntries(CALLER.map((part) => [part, query.get(part) ?? '']));
  return keyId(caller as unknown as Caller, key);
}

function told({ state, status, since, until }: NonNullable<Awaited<ReturnType<Ledger['look']>>>) {
  return {
    state,
    ...(status > 0 && { status }),
    since: new Date(since).toISOString(),
    ...(state !== 'running' && { until: new Date(until).toISOString() }),
  };
}

function unknownKey(): Reply {
  return problem(404, 'Not found', 'no request with this key and caller is known');
}
