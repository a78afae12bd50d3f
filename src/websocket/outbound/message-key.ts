/** What a message is about, and whether it may be replaced by a newer one. Decided by a few of its bytes, or by its JSON. */
import type { ConflateConfig } from '../../config/schema/socket/conflate.js';
import { parsePointer } from '../json-pointer.js';
import type { Key } from './latest-queue.js';

/** One reading of a message. */
export interface MessageMark {
  key: Key;
  /** It is kept, whatever comes after it: it is of a kind that is never merged, or about nothing in particular. */
  isProtected: boolean;
}

const SPACE = 0x20;
const OPENING_BRACE = 0x7b;
const OPENING_BRACKET = 0x5b;

/** Reads all messages of a route. The mark that it returns is always the same object. */
export type MarkMessage = (message: Buffer) => Readonly<MessageMark>;

export function compileMark({ key, protect }: ConflateConfig): MarkMessage {
  const keyPointer = typeof key === 'string' ? parsePointer(key) : null;
  const bytes = typeof key === 'string' ? null : key.bytes;
  const kindPointer = protect !== undefined && 'pointer' in protect ? parsePointer(protect.pointer) : null;
  const kinds = new Set<unknown>(protect !== undefined && 'in' in protect ? protect.in : []);
  const opcodes = protect !== undefined && 'opcodes' in protect ? new Set(protect.opcodes) : null;
  const mark: MessageMark = { key: null, isProtected: true };

  return function markMessage(message) {
    const json = keyPointer === null && kindPointer === null ? undefined : readJson(message);
    if (bytes !== null) mark.key = keyOfBytes(message, bytes);
    else mark.key = keyOfValue(valueAt(json, keyPointer as string[]));
    mark.isProtected =
      mark.key === null ||
      opcodes?.has(message[0] as number) ||
      // Of what cannot be read nobody knows the kind.
      (kindPointer !== null && (json === undefined || kinds.has(valueAt(json, kindPointer))));
    return mark;
  };
}

/** undefined: it is no JSON object or list. */
function readJson(message: Buffer): unknown {
  let at = 0;
  while ((message[at] as number) <= SPACE) at++;
  // Looked at first: an exception for each message of another kind would cost more than all the rest.
  if (message[at] !== OPENING_BRACE && message[at] !== OPENING_BRACKET) return undefined;
  try {
    return JSON.parse(message.toString());
  } catch {
    return undefined;
  }
}

function valueAt(root: unknown, pointer: readonly string[]): unknown {
  let value = root;
  for (const step of pointer) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function keyOfValue(value: unknown): Key {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

function keyOfBytes(message: Buffer, [from, to]: readonly [number, number]): Key {
  return message.length < to ? null : message.toString('latin1', from, to);
}
