import { distinct } from '../collections.js';
import { text } from '../fields.js';

/** What a caller that is known must have. */
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
