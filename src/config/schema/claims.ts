import { z } from 'zod';
import { text } from '../fields.js';

/** A value that must be equal, several of which one must be, or `any`, which switches the check off (null). */
export function expected(what: string) {
  return z.union(
    [
      z.literal('any').transform((): string[] | null => null),
      text().transform((one): string[] | null => [one]),
      z
        .array(text())
        .min(1, { error: `at least one ${what}` })
        .transform((list): string[] | null => list),
    ],
    { error: `a ${what}, a list of them, or any` },
  );
}

const claims = z.strictObject({
  user: text()
    .prefault('sub')
    .meta({ description: 'Claim that names the user.', examples: ['sub'] }),
  roles: text()
    .prefault('roles')
    .meta({
      description: 'Claim with the roles: a list, or a text separated by spaces. Dots go into mappings.',
      examples: ['realm_access.roles'],
    }),
  scopes: text()
    .prefault('scope')
    .meta({
      description: 'Claim with the scopes: a text separated by spaces, or a list.',
      examples: ['scp'],
    }),
  consumer: text()
    .optional()
    .meta({ description: 'Claim that names the consumer.', examples: ['client_id'] }),
  plan: text()
    .optional()
    .meta({ description: 'Claim that names the plan.', examples: ['plan'] }),
});

/** Which claims make an identity. */
export const mappedClaims = claims
  .prefault({})
  .meta({ description: 'Which claims say who the caller is.', examples: [{ roles: 'realm_access.roles' }] });
