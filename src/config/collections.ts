/** Lists and mappings in which each member says something of its own. */
import { z } from 'zod';
import { headerName } from './fields.js';
import { reject } from './units.js';

/** What is expected where values are given by the name of a header. */
export const MAPPING_OF_HEADERS = 'a mapping of header names to values';

/** A list that names nothing twice. `what` is the word for one member; `normal` gives what members are compared by. */
export function distinct<T extends z.ZodType<string | number>>(
  member: T,
  what: string,
  normal: (name: z.output<T>) => string = String,
) {
  return z.array(member, { error: `a list of ${what}s` }).superRefine((names, context) => {
    const seen = new Set<string>();
    for (const [index, name] of names.entries()) {
      if (seen.has(normal(name))) {
        context.addIssue({
          code: 'custom',
          path: [index],
          message: `"${name}" is named already`,
          params: { expected: `each ${what} once` },
        });
      }
      seen.add(normal(name));
    }
  });
}

/** A list of header names, any case. */
export function headerNames() {
  return distinct(headerName(), 'header', lowerCase);
}

/** A mapping that names each header once: YAML tells `X-A` from `x-a`, HTTP does not (RFC 9110 §5.1). */
export function byHeader<V extends z.ZodType>(value: V) {
  return z.record(headerName(), value, { error: MAPPING_OF_HEADERS }).superRefine((headers, context) => {
    const seen = new Map<string, string>();
    for (const name of Object.keys(headers)) {
      const before = seen.get(lowerCase(name));
      if (before !== undefined) {
        context.addIssue({
          code: 'custom',
          path: [name],
          message: `"${name}" is named already, as "${before}"`,
          params: { expected: 'each header once, whatever its case', at: 'key' },
        });
      }
      seen.set(lowerCase(name), name);
    }
  });
}

/** For conditions: refuses an empty mapping, which would hold for every request instead of for none. */
export function notEmpty(what: string) {
  return (mapping: object, context: z.RefinementCtx): void => {
    if (Object.keys(mapping).length === 0) reject(context, 'is an empty mapping', `at least one ${what}`);
  };
}

export function lowerCase(name: string): string {
  return name.toLowerCase();
}
