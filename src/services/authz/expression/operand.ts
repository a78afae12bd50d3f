/** A part of a condition that has a value, compiled. */
import type { Exchange } from '../../../exchange.js';

/** What is known of a value when the configuration loads; `any` is what a token brings. */
export type ValueType = 'condition' | 'text' | 'number' | 'null' | 'list' | 'set' | 'any';

/** undefined: missing. Missing is equal to nothing, not even to another that is missing. */
export type Value = unknown;

export interface Operand {
  readonly type: ValueType;
  /** Set when it is the same for all requests. */
  readonly constant?: string | number | boolean | null;
  /** Set for lists: their members. */
  readonly members?: readonly Operand[];
  read(x: Exchange): Value;
}

/** A request says something twice that a condition asks for once: the condition then does not hold, whatever it says. */
export interface Doubt {
  raised: boolean;
}

/** What operands are in messages. */
export const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  condition: 'a condition',
  text: 'a text',
  number: 'a number',
  null: 'null',
  list: 'a list',
  set: 'a set',
  any: 'a value',
};
