import { z } from 'zod';
import { fileName, text } from '../fields.js';

/** JWS algorithms (RFC 7518 §3.1, RFC 8037). `none` is not among them. */
export const ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Key material: a text, or a mapping that names a file. Output: one of the two members. */
export type Material = { readonly text: string } | { readonly file: string };

/** A secret or a key: written out, mostly by an environment variable, or in a file. */
export function material() {
  return z.union(
    [
      text().transform((text): Material => ({ text })),
      z
        .strictObject({
          file: fileName().meta({ description: 'File that holds it.', examples: ['keys/issuer.pem'] }),
        })
        .transform(({ file }): Material => ({ file })),
    ],
    { error: 'a text, or a mapping with file' },
  );
}

/** One, which may be written without a list, or several. */
export function oneOrMore<S extends z.ZodType>(member: S, what: string) {
  return z.union(
    [member.transform((one) => [one]), z.array(member).min(1, { error: `at least one ${what}` })],
    {
      error: `a ${what} or a list of them`,
    },
  );
}
