import { z } from 'zod';
import { byHeader } from '../../collections.js';
import { headerValue, unescaped } from '../../fields.js';

const respondOptions = z.strictObject({
  status: z
    .int({ error: 'a status from 200 to 599' })
    .min(200, { error: 'a status from 200 to 599' })
    .max(599, { error: 'a status from 200 to 599' })
    .prefault(200)
    .meta({ description: 'Status of the answer.', examples: [503] }),
  headers: byHeader(headerValue().transform(unescaped))
    .prefault({})
    .meta({ description: 'Headers of the answer.', examples: [{ 'cache-control': 'no-store' }] }),
  body: z
    .union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())], {
      error: 'a text, a mapping or a list',
    })
    .prefault('')
    .meta({
      description: 'Body of the answer. A mapping or a list becomes JSON, with the fitting `content-type`.',
      examples: ['back soon', { status: 'ok' }],
    }),
});

/** A fixed answer: of a route without a service, or of one whose service fails. */
export const respond = respondOptions.transform(({ status, headers, body }) => {
  const lower = lowerCaseKeys(headers);
  if (typeof body !== 'string') {
    return { status, headers: { 'content-type': 'application/json', ...lower }, body: JSON.stringify(body) };
  }
  const type: Record<string, string> = body === '' ? {} : { 'content-type': 'text/plain; charset=utf-8' };
  return { status, headers: { ...type, ...lower }, body: unescaped(body) };
});

export function lowerCaseKeys<V>(record: Record<string, V>): Record<string, V> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key.toLowerCase(), value]));
}
