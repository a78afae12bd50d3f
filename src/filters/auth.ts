/**
 * Who is calling, and may they. Ways in are tried in the order of the route; then its demands are checked; then the service
 * learns who it is. What a client sends under the names of these headers was dropped when its request was read.
 */
import { z } from 'zod';
import { byHeader, distinct, notEmpty } from '../config/collections.js';
import { label, method, text } from '../config/fields.js';
import type { Filter } from '../pipeline.js';
import { Door } from '../services/door.js';
import { introduce } from '../services/introduction.js';

const ways = () => distinct(label(), 'provider').min(1, { error: 'at least one provider' });

const demands = {
  roles: distinct(text(), 'role')
    .prefault([])
    .meta({ description: 'Roles of which the caller must have one.', examples: [['trader', 'admin']] }),
  scopes: distinct(text(), 'scope')
    .prefault([])
    .meta({ description: 'Scopes the caller must have, all of them.', examples: [['orders:read']] }),
  permissions: distinct(text(), 'permission')
    .prefault([])
    .meta({
      description: 'Permissions the roles of the caller must give, all of them (`auth.roles`).',
      examples: [['orders:write']],
    }),
  when: text()
    .optional()
    .meta({
      description: 'Condition that must hold; docs/security.md has the language.',
      examples: ['param.id == claim.sub', "role in ['admin'] || claim.desk == header.x-desk"],
    }),
};

const options = z.strictObject({
  anyOf: ways()
    .optional()
    .meta({
      description: 'Ways in, tried in this order; one must succeed. `anonymous` always does.',
      examples: [['players', 'partners']],
    }),
  allOf: ways()
    .optional()
    .meta({
      description: 'Ways in that must all succeed; the first names the user.',
      examples: [['partners', 'players']],
    }),
  ...demands,
  methods: z
    .record(method(), z.strictObject(demands))
    .superRefine(notEmpty('method'))
    .optional()
    .meta({ description: 'Further demands, by method.', examples: [{ DELETE: { roles: ['admin'] } }] }),
  decision: label()
    .optional()
    .meta({
      description: 'External decision point (`auth.decisions`) that must agree, too.',
      examples: ['policy'],
    }),
  claims: byHeader(text())
    .prefault({})
    .meta({
      description:
        'Further headers for the service: name → claim. Dots go into mappings; a list is joined by commas.',
      examples: [{ 'x-user-email': 'email' }],
    }),
});

const schema = z
  .union(
    [
      z.literal(['off', false]).transform(() => null),
      label().transform((one): z.output<typeof options> | null => options.parse({ anyOf: [one] })),
      ways().transform((anyOf): z.output<typeof options> | null => options.parse({ anyOf })),
      options,
    ],
    { error: 'a provider, a list of them, off, or a mapping with anyOf or allOf' },
  )
  .meta({
    description:
      'Who may call: providers of `auth.providers`, and what they must show. Short: one name, or a list for `anyOf`.',
  });

/** null: off. */
export type AuthOptions = z.output<typeof schema>;

export const auth: Filter<'auth', typeof schema> = {
  name: 'auth',
  schema,
  build(options, env) {
    if (options === null) return {};
    const providers = (options.allOf ?? options.anyOf ?? []).map((name) => env.access.provider(name));
    const door = new Door(providers, options, env);
    return {
      onRequest: door.enter,
      review: door.review,
      onForward: introduce(providers, options.claims, env),
    };
  },
};
