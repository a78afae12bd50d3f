/** The registry on the admin API. */
import { RecordFault } from '../../services/records/record-fault.js';
import {
  INSTANCE_MEMBERS,
  type Instance,
  InstanceFault,
  readInstance,
} from '../../services/registry/instance.js';
import { LONGEST_LEASE_MS } from '../../services/registry/layout.js';
import { StoreFault } from '../../services/store/store-fault.js';
import { type Call, type ControlPlane, type Endpoint, json, problem, type Reply } from '../admin/endpoint.js';
import { Members } from '../admin/members.js';
import type { RegistryWatch } from './registry-watch.js';

const STATUS = { missing: 404, conflict: 409, invalid: 400 } as const;
const TITLE = { missing: 'Not found', conflict: 'Conflict', invalid: 'Bad request' } as const;
const SHORTEST_LEASE_MS = 1000;

type Handle = (registry: RegistryWatch, call: Call, plane: ControlPlane) => Reply | Promise<Reply>;

const list: Endpoint = {
  path: '/registry',
  method: 'GET',
  summary: 'Instances that have registered, by service, and entries that are skipped and why.',
  handle: withRegistry((registry) => json({ services: registry.names().map((name) => registry.show(name)) })),
};

const show: Endpoint = {
  path: '/registry/:service',
  method: 'GET',
  summary: 'The same of one service.',
  handle: withRegistry((registry, { params }) => json(registry.show(params.service as string))),
};

const register: Endpoint = {
  path: '/registry/:service/:instance',
  method: 'PUT',
  summary:
    'Registers an instance, or renews its lease: { url, weight?, zone?, priority?, version?, tags?, metadata?, ttl? }.',
  body: true,
  handle: withRegistry(async (registry, { params, body, remote }, plane) => {
    const [service, id] = [params.service as string, params.instance as string];
    const members = new Members(body, [...INSTANCE_MEMBERS, 'ttl']);
    const ttlMs = members.span('ttl') ?? plane.inForce().config.registry.ttl;
    if (ttlMs < SHORTEST_LEASE_MS || ttlMs > LONGEST_LEASE_MS) {
      throw new RecordFault('invalid', 'ttl: expected 1s to 1h');
    }
    const instance = instanceIn(body);
    const registered = await registry.register(service, id, instance, ttlMs);
    if (registered !== 'renewed') {
      plane.audit({
        event: 'admin.registry.register',
        service,
        instance: id,
        url: instance.url,
        registered,
        remote,
      });
    }
    return json({ service, id, ...instance, ttlMs, registered }, registered === 'new' ? 201 : 200);
  }),
};

const deregister: Endpoint = {
  path: '/registry/:service/:instance',
  method: 'DELETE',
  summary: 'Takes an instance out; it gets no more requests.',
  handle: withRegistry(async (registry, { params, remote }, plane) => {
    const [service, id] = [params.service as string, params.instance as string];
    await registry.deregister(service, id);
    plane.audit({ event: 'admin.registry.deregister', service, instance: id, remote });
    return json({ service, id });
  }),
};

export const registryEndpoints: readonly Endpoint[] = [list, show, register, deregister];

function withRegistry(handle: Handle): Endpoint['handle'] {
  return async function handleWithRegistry(plane, call) {
    const registry = plane.registry();
    if (registry === null) {
      const detail = 'no service takes its endpoints from the registry: give one "discover: registry"';
      return problem(409, 'No registry', detail);
    }
    try {
      return await handle(registry, call, plane);
    } catch (error) {
      if (error instanceof RecordFault) return problem(STATUS[error.kind], TITLE[error.kind], error.message);
      if (error instanceof StoreFault) return problem(503, 'Registry unavailable', error.message);
      throw error;
    }
  };
}

function instanceIn(body: unknown): Instance {
  try {
    return readInstance(body ?? {});
  } catch (error) {
    if (error instanceof InstanceFault) throw new RecordFault('invalid', error.message);
    throw error;
  }
}
