/** How values compare: without coercion, and what is missing is equal to nothing. */
import type { Exchange } from '../../../exchange.js';
import { Faulty } from './fault.js';
import { type Operand, TYPE_NAMES, type Value } from './operand.js';
import type { CompareNode, Comparison } from './syntax.js';

type Condition = (x: Exchange) => boolean;

/** @throws Faulty */
export function compileComparison(node: CompareNode, left: Operand, right: Operand): Condition {
  switch (node.operator) {
    case '==':
      return equality(node, left, right);
    case '!=': {
      const equal = equality(node, left, right);
      return (x) => !equal(x);
    }
    case 'in':
      return membership(node, left, right);
    default:
      return order(node, node.operator, left, right);
  }
}

/** Lists and mappings are equal to nothing. */
export function same(a: Value, b: Value): boolean {
  return a === b && a !== undefined && (typeof a !== 'object' || a === null);
}

export function holds(list: readonly unknown[], value: Value): boolean {
  for (let i = 0; i < list.length; i++) if (same(list[i], value)) return true;
  return false;
}

function equality(node: CompareNode, left: Operand, right: Operand): Condition {
  for (const [side, operand] of [
    [node.left, left],
    [node.right, right],
  ] as const) {
    if (operand.type === 'list') throw new Faulty(side, `a list is compared with "in" or contains()`);
  }
  if (left.type === 'set' && right.type === 'set') {
    throw new Faulty(node, 'two sets are not compared: name the members');
  }
  if (left.type === 'set') return has(left, right);
  if (right.type === 'set') return has(right, left);
  if (left.constant !== undefined) return isConstant(right, left.constant);
  if (right.constant !== undefined) return isConstant(left, right.constant);
  return (x) => same(left.read(x), right.read(x));
}

function has(set: Operand, member: Operand): Condition {
  return function hasMember(x) {
    const members = set.read(x);
    return Array.isArray(members) && holds(members, member.read(x));
  };
}

function isConstant(operand: Operand, constant: string | number | boolean | null): Condition {
  return (x) => operand.read(x) === constant;
}

function membership(node: CompareNode, left: Operand, right: Operand): Condition {
  if (right.type !== 'list' && right.type !== 'set' && right.type !== 'any') {
    const hint = right.type === 'text' ? ', or contains() for parts of a text' : '';
    throw new Faulty(node.right, `"in" needs a list behind it${hint}`);
  }
  if (left.type === 'list') throw new Faulty(node.left, 'a list is no member of a list');
  if (left.type === 'set' && right.type === 'set') {
    throw new Faulty(node, 'two sets are not compared: name the members');
  }
  const isMember = memberTest(right);
  if (left.type !== 'set') return (x) => isMember(x, left.read(x));
  return function hasAnyOf(x) {
    const members = left.read(x);
    if (!Array.isArray(members)) return false;
    for (let i = 0; i < members.length; i++) if (isMember(x, members[i])) return true;
    return false;
  };
}

function memberTest({ members, read }: Operand): (x: Exchange, value: Value) => boolean {
  if (members?.every(({ constant }) => constant !== undefined)) {
    const known = new Set<Value>(members.map(({ constant }) => constant));
    return (_x, value) => known.has(value);
  }
  return function isListed(x, value) {
    if (value === undefined) return false;
    const list = read(x);
    return Array.isArray(list) && holds(list, value);
  };
}

function order(node: CompareNode, operator: Comparison, left: Operand, right: Operand): Condition {
  for (const [side, { type }] of [
    [node.left, left],
    [node.right, right],
  ] as const) {
    if (type === 'any' || type === 'number' || type === 'text') continue;
    throw new Faulty(side, `"${operator}" compares numbers or texts, and this is ${TYPE_NAMES[type]}`);
  }
  const fits = ORDERS[operator as keyof typeof ORDERS];
  return function isInOrder(x) {
    const [a, b] = [left.read(x), right.read(x)];
    if (typeof a === 'number' && typeof b === 'number') return fits(a, b);
    return typeof a === 'string' && typeof b === 'string' && fits(a, b);
  };
}

type Ordered = string | number;

/** Texts by UTF-16 units, so that the order is the same everywhere. */
const ORDERS = {
  '<': (a: Ordered, b: Ordered) => a < b,
  '<=': (a: Ordered, b: Ordered) => a <= b,
  '>': (a: Ordered, b: Ordered) => a > b,
  '>=': (a: Ordered, b: Ordered) => a >= b,
};
