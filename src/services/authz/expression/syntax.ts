/** A condition as a tree. */
import type { Span } from './fault.js';

export type Literal = string | number | boolean | null;
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in';

export interface LiteralNode extends Span {
  readonly kind: 'literal';
  readonly value: Literal;
}

export interface ListNode extends Span {
  readonly kind: 'list';
  readonly members: readonly Node[];
}

/** `claim.a['b']` has three steps. */
export interface NameNode extends Span {
  readonly kind: 'name';
  readonly steps: readonly string[];
}

export interface CallNode extends Span {
  readonly kind: 'call';
  /** The name of the function. */
  readonly name: Span & { readonly text: string };
  readonly operands: readonly Node[];
}

export interface NotNode extends Span {
  readonly kind: 'not';
  readonly operand: Node;
}

export interface JoinNode extends Span {
  readonly kind: 'and' | 'or';
  /** Two or more. */
  readonly members: readonly Node[];
}

export interface CompareNode extends Span {
  readonly kind: 'compare';
  readonly operator: Comparison;
  readonly left: Node;
  readonly right: Node;
}

export type Node = LiteralNode | ListNode | NameNode | CallNode | NotNode | JoinNode | CompareNode;
