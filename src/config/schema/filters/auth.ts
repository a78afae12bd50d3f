/** Who may call. */
import { z } from 'zod';
import { byHeader, distinct, notEmpty } from '../../collections.js';
import { label, method, text } from '../../fields.js';

const ways = () => distinct(label(), 'provider').min(1, { error: 'at least one provider' });

export const demands = {
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

export const auth = z
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
export type AuthOptions = z.output<typeof auth>;
