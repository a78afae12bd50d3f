import { z } from 'zod';
import { schema } from '../schema.js';

/** The part of JSON Schema 2020-12 that the configuration's schema makes use of. */
export interface JsonSchema {
  title?: string;
  description?: string;
  examples?: unknown[];
  default?: unknown;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  minItems?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
}

/** `${NAME}` may stand for a value of any type. */
const VARIABLE = '\\$\\{';

/** JSON Schema of the file as the user writes it, shorthands included. */
export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    // zod leaves examples out where a transform follows, because they could be of its output: ours never are.
    override({ zodSchema, jsonSchema }) {
      // One keyword for every union: what tells the branches apart is in them.
      if (jsonSchema.oneOf !== undefined) {
        jsonSchema.anyOf = jsonSchema.oneOf;
        delete jsonSchema.oneOf;
      }
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (examples !== undefined) jsonSchema.examples = examples as typeof jsonSchema.examples;
      // Absent means any; an empty list, which would say the same, is refused.
      if (jsonSchema.minItems !== undefined) delete jsonSchema.default;
    },
  }) as JsonSchema;
}

/** The same for editors: an environment variable is accepted in the place of every value. */
export function editorJsonSchema(): JsonSchema {
  return { title: 'Sluice configuration', ...withVariables(configJsonSchema()) };
}

function withVariables(part: JsonSchema): JsonSchema {
  const copy: JsonSchema = { ...part };
  if (part.anyOf) copy.anyOf = part.anyOf.map(withVariables);
  if (part.items) copy.items = withVariables(part.items);
  if (part.properties) {
    copy.properties = Object.fromEntries(
      Object.entries(part.properties).map(([key, value]) => [key, withVariables(value)]),
    );
  }
  if (typeof part.additionalProperties === 'object')
    copy.additionalProperties = withVariables(part.additionalProperties);
  if (part.pattern !== undefined) copy.pattern = `${part.pattern}|${VARIABLE}`;
  if (!isClosed(part)) return copy;
  const { title, description, examples, default: fallback, ...rest } = copy;
  const outer = {
    title,
    description,
    examples,
    default: fallback,
    anyOf: [rest, { type: 'string', pattern: VARIABLE }],
  };
  return Object.fromEntries(Object.entries(outer).filter(([, value]) => value !== undefined));
}

/** Whether a text with a variable in it would not be accepted as it is. */
function isClosed({ type, enum: values, const: value }: JsonSchema): boolean {
  return (
    values !== undefined ||
    value !== undefined ||
    type === 'integer' ||
    type === 'number' ||
    type === 'boolean'
  );
}
