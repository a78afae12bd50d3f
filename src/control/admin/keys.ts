import type { KeyView, KeyWish } from '../../services/records/api-keys.js';
import { type Call, type ControlPlane, type Endpoint, json } from './endpoint.js';
import { Members } from './members.js';
import { withRecords } from './with-records.js';

const WISH = ['consumer', 'env', 'name', 'roles', 'scopes', 'plan', 'networks', 'expires'];

const list: Endpoint = {
  path: '/keys',
  method: 'GET',
  summary: 'API keys, oldest first; ?consumer=NAME for those of one consumer. Never their secrets.',
  handle: withRecords(({ keys }, { query }) => json({ keys: keys.list(query.get('consumer') ?? undefined) })),
};

const create: Endpoint = {
  path: '/keys',
  method: 'POST',
  summary:
    'Makes a key: { consumer, env?, name?, roles?, scopes?, plan?, networks?, expires? }. The answer shows it, once.',
  body: true,
  handle: withRecords(async ({ keys }, call, plane) => {
    const { created, consumerCreated } = await keys.create(wishIn(call.body));
    if (consumerCreated) {
      plane.audit({ event: 'admin.consumer.create', consumer: created.consumer, remote: call.remote });
    }
    note(plane, call, 'create', created);
    return { ...json({ ...created, consumerCreated }, 201), headers: { location: `/keys/${created.id}` } };
  }),
};

const show: Endpoint = {
  path: '/keys/:id',
  method: 'GET',
  summary: 'One key: owner, rights, when it was last used. Never its secret.',
  handle: withRecords(({ keys }, { params }) => json(keys.show(params.id))),
};

const update: Endpoint = {
  path: '/keys/:id',
  method: 'PUT',
  summary: 'Changes what is given of { plan, name }; plan "" is that of the consumer. Works within a second.',
  body: true,
  handle: withRecords(async ({ keys }, call, plane) => {
    const members = new Members(call.body, ['plan', 'name']);
    const given = { plan: members.text('plan'), name: members.text('name') };
    const change = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const updated = await keys.update(call.params.id, change);
    note(plane, call, 'update', updated);
    return json(updated);
  }),
};

const rotate: Endpoint = {
  path: '/keys/:id/rotate',
  method: 'POST',
  summary: 'Gives a key a new secret, shown once; the old one works for { grace: "24h" } more.',
  body: true,
  handle: withRecords(async ({ keys }, call, plane) => {
    const rotated = await keys.rotate(call.params.id, new Members(call.body, ['grace']).span('grace'));
    note(plane, call, 'rotate', rotated);
    return json(rotated);
  }),
};

const revokeKey: Endpoint['handle'] = withRecords(async ({ keys }, call, plane) => {
  const revoked = await keys.revoke(call.params.id);
  note(plane, call, 'revoke', revoked);
  return json(revoked);
});

const revoke: Endpoint = {
  path: '/keys/:id/revoke',
  method: 'POST',
  summary: 'Revokes a key, for ever. No worker takes it a second later.',
  handle: revokeKey,
};

const remove: Endpoint = {
  path: '/keys/:id',
  method: 'DELETE',
  summary: 'The same as POST /keys/:id/revoke: the record stays.',
  handle: revokeKey,
};

export const keyEndpoints: readonly Endpoint[] = [list, create, show, update, rotate, revoke, remove];

function wishIn(body: unknown): KeyWish {
  const members = new Members(body, WISH);
  return {
    consumer: members.needed('consumer'),
    env: members.text('env'),
    name: members.text('name'),
    roles: members.texts('roles'),
    scopes: members.texts('scopes'),
    plan: members.text('plan'),
    networks: members.texts('networks'),
    expiresAt: members.moment('expires', Date.now()),
  };
}

function note(plane: ControlPlane, { remote }: Call, what: string, { id, consumer }: KeyView): void {
  plane.audit({ event: `admin.key.${what}`, key: id, consumer, remote });
}
