/** Header operations towards the service and towards the client, in the order rename, remove, set, add. */
import type { HeaderOperations, HeaderOptions } from '../config/schema/filters/headers.js';
import type { Exchange } from '../exchange.js';
import type { Env, Filter, Step } from '../pipeline.js';
import { compileFieldValue, type Render } from '../template.js';

export const headers: Filter<'headers', HeaderOptions> = {
  name: 'headers',
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

function compileOperations({ set, add, remove, rename }: HeaderOperations, { route }: Env): Edit | null {
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
