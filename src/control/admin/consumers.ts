import type { ConsumerChange } from '../../services/records/consumers.js';
import { type Call, type ControlPlane, type Endpoint, json } from './endpoint.js';
import { Members } from './members.js';
import { withRecords } from './with-records.js';

const CHANGE = ['plan', 'roles', 'scopes', 'enabled', 'description'];

const list: Endpoint = {
  path: '/consumers',
  method: 'GET',
  summary: 'Consumers: who owns API keys.',
  handle: withRecords(({ consumers }) => json({ consumers: consumers.list() })),
};

const create: Endpoint = {
  path: '/consumers',
  method: 'POST',
  summary: 'Makes a consumer: { name, plan?, roles?, scopes?, enabled?, description? }.',
  body: true,
  handle: withRecords(async ({ consumers }, call, plane) => {
    const members = new Members(call.body, ['name', ...CHANGE]);
    const created = await consumers.create(members.needed('name'), changeIn(members));
    note(plane, call, 'create', created.name);
    return {
      ...json(created, 201),
      headers: { location: `/consumers/${encodeURIComponent(created.name)}` },
    };
  }),
};

const show: Endpoint = {
  path: '/consumers/:name',
  method: 'GET',
  summary: 'One consumer.',
  handle: withRecords(({ consumers }, { params }) => json(consumers.show(params.name))),
};

const update: Endpoint = {
  path: '/consumers/:name',
  method: 'PUT',
  summary:
    'Changes what is given of { plan, roles, scopes, enabled, description }; its keys follow within a second.',
  body: true,
  handle: withRecords(async ({ consumers }, call, plane) => {
    const change = changeIn(new Members(call.body, CHANGE));
    const updated = await consumers.update(call.params.name, change);
    note(plane, call, 'update', updated.name, { changed: Object.keys(change) });
    return json(updated);
  }),
};

const remove: Endpoint = {
  path: '/consumers/:name',
  method: 'DELETE',
  summary: 'Removes a consumer and revokes its keys.',
  handle: withRecords(async ({ consumers }, call, plane) => {
    const { name } = call.params;
    const removed = await consumers.remove(name);
    note(plane, call, 'remove', name, removed);
    return json({ name, ...removed });
  }),
};

export const consumerEndpoints: readonly Endpoint[] = [list, create, show, update, remove];

/** Only what is given: what is not stays as it is. */
function changeIn(members: Members): ConsumerChange {
  const change = {
    plan: members.text('plan'),
    roles: members.texts('roles'),
    scopes: members.texts('scopes'),
    enabled: members.flag('enabled'),
    description: members.text('description'),
  };
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function note(
  plane: ControlPlane,
  { remote }: Call,
  what: string,
  consumer: string,
  more: object = {},
): void {
  plane.audit({ event: `admin.consumer.${what}`, consumer, ...more, remote });
}
