/**
 * Conditions over an exchange, as routes state them: `claim.sub == param.id || role in ['admin']`. Compiled into
 * closures when the configuration loads; nothing is evaluated as code, and the time of a test is bounded by the length of
 * its text.
 */
import type { Exchange } from '../../../exchange.js';
import { compileComparison } from './comparison.js';
import { type ExpressionFault, Faulty } from './fault.js';
import { compileCall } from './functions.js';
import { resolveName } from './names.js';
import { type Doubt, type Operand, TYPE_NAMES } from './operand.js';
import { parse } from './parse.js';
import type { LiteralNode, Node } from './syntax.js';

/** Where a condition stands. */
export interface Scope {
  /** Of the route's path, in the order of `x.params`. */
  readonly paramNames: readonly string[];
  /** Milliseconds since 1970; absent: the clock of the machine. */
  readonly now?: () => number;
  /** Finds what was probably meant, for faults. */
  readonly suggest?: (written: string, candidates: readonly string[]) => string | undefined;
}

export interface Expression {
  /**
   * Whether it holds. Never throws. A query parameter or a field that the test reads and that the request has several
   * times makes it false: the service may take another of them than we do.
   */
  test(x: Exchange): boolean;
}

type Condition = (x: Exchange) => boolean;

export function compileExpression(text: string, scope: Scope): Expression | ExpressionFault {
  const doubt: Doubt = { raised: false };
  try {
    const holds = conditionOf(parse(text), scope, doubt);
    return {
      test(x) {
        doubt.raised = false;
        return holds(x) && !doubt.raised;
      },
    };
  } catch (error) {
    if (error instanceof Faulty) return error.fault;
    throw error;
  }
}

export function isFault(compiled: Expression | ExpressionFault): compiled is ExpressionFault {
  return 'message' in compiled;
}

function conditionOf(node: Node, scope: Scope, doubt: Doubt): Condition {
  switch (node.kind) {
    case 'or':
      return any(node.members.map((member) => conditionOf(member, scope, doubt)));
    case 'and':
      return all(node.members.map((member) => conditionOf(member, scope, doubt)));
    case 'not': {
      const operand = conditionOf(node.operand, scope, doubt);
      return (x) => !operand(x);
    }
    case 'compare':
      return compileComparison(node, operandOf(node.left, scope, doubt), operandOf(node.right, scope, doubt));
    default: {
      const { type, read } = operandOf(node, scope, doubt);
      if (type === 'condition' || type === 'any') return (x) => read(x) === true;
      const hint = node.kind === 'name' ? ': compare it, or ask exists() for it' : '';
      throw new Faulty(node, `${TYPE_NAMES[type]} is no condition${hint}`);
    }
  }
}

function operandOf(node: Node, scope: Scope, doubt: Doubt): Operand {
  switch (node.kind) {
    case 'literal':
      return literal(node);
    case 'name':
      return resolveName(node, scope, doubt);
    case 'list': {
      const members = node.members.map((member) => memberOf(member, scope, doubt));
      return { type: 'list', members, read: (x) => members.map((member) => member.read(x)) };
    }
    case 'call':
      return compileCall(
        node,
        node.operands.map((operand) => operandOf(operand, scope, doubt)),
        scope,
      );
    default:
      return { type: 'condition', read: conditionOf(node, scope, doubt) };
  }
}

function memberOf(node: Node, scope: Scope, doubt: Doubt): Operand {
  const member = operandOf(node, scope, doubt);
  if (member.type !== 'list' && member.type !== 'set') return member;
  throw new Faulty(node, `${TYPE_NAMES[member.type]} is no member of a list`);
}

function literal({ value }: LiteralNode): Operand {
  const type =
    value === null
      ? 'null'
      : typeof value === 'string'
        ? 'text'
        : typeof value === 'number'
          ? 'number'
          : 'condition';
  return { type, constant: value, read: () => value };
}

function any(conditions: readonly Condition[]): Condition {
  return function holdsAny(x) {
    for (let i = 0; i < conditions.length; i++) if (conditions[i](x)) return true;
    return false;
  };
}

function all(conditions: readonly Condition[]): Condition {
  return function holdsAll(x) {
    for (let i = 0; i < conditions.length; i++) if (!conditions[i](x)) return false;
    return true;
  };
}
