/** What messages of clients must be like, compiled. */
import { createRequire } from 'node:module';
import type { MessageSchemaConfig } from '../../config/schema/socket/message-schema.js';
import { linearPattern } from '../../route/predicates.js';
import { parsePointer } from '../json-pointer.js';
import type { JudgeMessage } from './gate.js';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Items of a list that may be compared with each other: their number squared is what it costs. */
const MOST_UNIQUE = 1_000;

/** Of a place in a message: its names are the client's. */
const MOST_PATH = 200;

/** What is wrong with a schema, and where in it. */
export interface SchemaFault {
  readonly path: readonly string[];
  readonly message: string;
}

/** @throws Error when the schema is none: see `schemaFault`. */
export function compileMessageSchema({ json, opcodes }: MessageSchemaConfig): JudgeMessage {
  return opcodes === undefined ? judgeJson(json as JsonSchema) : judgeOpcode(new Set(opcodes));
}

function judgeOpcode(known: ReadonlySet<number>): JudgeMessage {
  return function judgeFirstByte(message) {
    const opcode = message.byteLength === 0 ? undefined : (new Uint8Array(message, 0, 1)[0] as number);
    if (opcode === undefined) return 'the message is empty';
    return known.has(opcode) ? null : `messages do not begin with ${opcode}`;
  };
}

function judgeJson(schema: JsonSchema): JudgeMessage {
  const validate = compilerFor(schema).compile(schema);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return function judgeDocument(message) {
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(message));
    } catch {
      return 'this is no JSON';
    }
    try {
      if (validate(value)) return null;
    } catch {
      return 'this is nested too deeply'; // the stack was not deep enough for a schema that names itself
    }
    const [error] = validate.errors ?? [];
    return `${(error?.instancePath ?? '').slice(0, MOST_PATH)} ${error?.message ?? 'does not fit'}`.trim();
  };
}

/** null: nothing is wrong. */
export function schemaFault(schema: JsonSchema): SchemaFault | null {
  const costly = costlyKeyword(schema, []);
  if (costly !== null) return costly;
  const compiler = compilerFor(schema);
  try {
    if (!compiler.validateSchema(schema)) {
      const [error] = compiler.errors ?? [];
      return {
        path: parsePointer(error?.instancePath ?? ''),
        message: error?.message ?? 'this is no JSON Schema',
      };
    }
    compiler.compile(schema);
    return null;
  } catch (error) {
    return { path: [], message: (error as Error).message };
  }
}

/** A validator that answers later would let everything pass; comparing each item with each costs their number squared. */
function costlyKeyword(value: unknown, path: readonly string[]): SchemaFault | null {
  if (typeof value !== 'object' || value === null) return null;
  const { $async, uniqueItems, maxItems } = value as JsonSchema;
  if ($async !== undefined && path.at(-1) !== 'properties')
    return { path: [...path, '$async'], message: 'messages are judged at once' };
  if (uniqueItems === true && !(typeof maxItems === 'number' && maxItems <= MOST_UNIQUE))
    return {
      path: [...path, 'uniqueItems'],
      message: `this needs maxItems beside it, at most ${MOST_UNIQUE}`,
    };
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'enum' || key === 'const' || key === 'default' || key === 'examples') continue;
    const fault = costlyKeyword(inner, [...path, key]);
    if (fault !== null) return fault;
  }
  return null;
}

/** Loaded with the first schema: it takes more than 1 MiB. */
function compilerFor({ $schema }: JsonSchema) {
  const require = createRequire(import.meta.url);
  const draft = typeof $schema === 'string' ? /2020-12|2019-09/.exec($schema)?.[0] : undefined;
  const options = {
    // Unknown keywords and formats are mistakes; without a word about what is merely unusual.
    strictSchema: true,
    strictTypes: false,
    strictTuples: false,
    logger: false,
    code: { regExp },
  } as const;
  if (draft === '2020-12') {
    const { Ajv2020 }: typeof import('ajv/dist/2020.js') = require('ajv/dist/2020.js');
    return new Ajv2020(options);
  }
  if (draft === '2019-09') {
    const { Ajv2019 }: typeof import('ajv/dist/2019.js') = require('ajv/dist/2019.js');
    return new Ajv2019(options);
  }
  const { Ajv }: typeof import('ajv') = require('ajv');
  return new Ajv(options);
}

/** In linear time: the text is the client's. */
const regExp = Object.assign((pattern: string) => linearPattern(pattern), { code: 'linearPattern' });
