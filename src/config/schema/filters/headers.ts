/** What becomes of headers. */
import { z } from 'zod';
import { byHeader, headerNames, MAPPING_OF_HEADERS } from '../../collections.js';
import { headerName, headerValue } from '../../fields.js';

const operations = z.strictObject({
  set: byHeader(headerValue())
    .prefault({})
    .meta({
      description: 'Headers to set; any of the same name are dropped first. Values may name variables.',
      examples: [{ 'x-client': `\${client.ip}` }],
    }),
  add: z
    .record(headerName(), headerValue(), { error: MAPPING_OF_HEADERS })
    .prefault({})
    .meta({
      description: 'Headers to add beside those of the same name. Values may name variables.',
      examples: [{ 'x-tag': `\${route.name}` }],
    }),
  remove: headerNames()
    .prefault([])
    .meta({ description: 'Headers to drop.', examples: [['x-debug']] }),
  rename: byHeader(headerName())
    .prefault({})
    .meta({ description: 'Headers to give another name: old to new.', examples: [{ 'x-old': 'x-new' }] }),
});

export type HeaderOperations = z.output<typeof operations>;

export const headers = z
  .strictObject({
    request: operations.prefault({}).meta({ description: 'Towards the service.' }),
    response: operations.prefault({}).meta({ description: 'Towards the client.' }),
  })
  .meta({ description: 'Sets, adds, removes and renames headers, both ways.' });

export type HeaderOptions = z.output<typeof headers>;
