/** Header operations towards the service and towards the client, in the order rename, remove, set, add. */
import { z } from 'zod';
import { byHeader, headerNames, MAPPING_OF_HEADERS } from '../config/collections.js';
import { headerName, headerValue } from '../config/fields.js';
import type { Exchange } from '../exchange.js';
import type { Env, Filter, Step } from '../pipeline.js';
import { compileFieldValue, type Render } from '../template.js';

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

type Operations = z.output<typeof operations>;

const schema = z
  .strictObject({
    request: operations.prefault({}).meta({ description: 'Towards the service.' }),
    response: operations.prefault({}).meta({ description: 'Towards the client.' }),
  })
  .meta({ description: 'Sets, adds, removes and renames headers, both ways.' });

export const headers: Filter<'headers', typeof schema> = {
  name: 'headers',
  schema,
  build({ request, response }, env) {
    const onForward = compileOperations(request, env);
    const onResponse = compileOperations(response, env);
    return {
      ...(onForward !== null && { onForward: forForward(onForward) }),
      ...(onResponse !== null && { onResponse: forResponse(onResponse) }),
    };
  },
};

type Edit = (fields: string[], x: Exchange) => string[];

function forForward(edit: Edit): Step {
  return function editForwardHeaders(x) {
    x.forwardHeaders = edit(x.forwardHeaders, x);
  };
}

function forResponse(edit: Edit): Step {
  return function editAnswerHeaders(x) {
    x.answerHeaders = edit(x.answerHeaders, x);
  };
}

function compileOperations({ set, add, remove, rename }: Operations, { route }: Env): Edit | null {
  const renamed = new Map(Object.entries(rename).map(([from, to]) => [from.toLowerCase(), to.toLowerCase()]));
  const removed = new Set([...remove, ...Object.keys(set)].map((name) => name.toLowerCase()));
  const added: [string, Render][] = [...Object.entries(set), ...Object.entries(add)].map(([name, value]) => [
    name.toLowerCase(),
    compileFieldValue(value, route.paramNames),
  ]);
  if (renamed.size + removed.size + added.length === 0) return null;

  return function edit(fields, x) {
    const edited: string[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      const name = renamed.get(fields[i]) ?? fields[i];
      if (!removed.has(name)) edited.push(name, fields[i + 1]);
    }
    for (let i = 0; i < added.length; i++) {
      const [name, render] = added[i];
      edited.push(name, render(x));
    }
    return edited;
  };
}
