/** The names that conditions know, each with what reads it from an exchange. */
import type { Exchange } from '../../../exchange.js';
import type { Scope } from './compile.js';
import { Faulty } from './fault.js';
import type { Doubt, Operand, Value } from './operand.js';
import { decodedSegment, type Field, headerValue, queryReader, SEVERAL } from './request.js';
import type { NameNode } from './syntax.js';

/** What stands for itself. An identity's empty members say nothing, so they are missing. */
const SINGLE: Readonly<Record<string, Operand>> = {
  method: text((x) => x.method),
  path: text((x) => x.path),
  host: text((x) => x.host),
  'client.ip': text((x) => x.clientIp || undefined),
  user: text((x) => x.identity?.user || undefined),
  consumer: text((x) => x.identity?.consumer || undefined),
  plan: text((x) => x.identity?.plan || undefined),
  role: { type: 'set', read: (x) => x.identity?.roles },
  scope: { type: 'set', read: (x) => x.identity?.scopes },
  'auth.method': text((x) => x.identity?.method),
  'auth.provider': text((x) => x.identity?.provider),
  route: text((x) => x.route?.name),
};

/** What has members of names that the configuration does not know. */
const FAMILIES: readonly string[] = ['claim', 'param', 'query', 'header'];

/** As documentation lists them. */
export const expressionNames: readonly string[] = [
  ...FAMILIES.map((family) => `${family}.NAME`),
  ...Object.keys(SINGLE),
];

/** @throws Faulty */
export function resolveName(node: NameNode, scope: Scope, doubt: Doubt): Operand {
  const { steps } = node;
  const [family, member = ''] = steps;
  const whole = steps.join('.');
  if (Object.hasOwn(SINGLE, whole)) return SINGLE[whole];
  if (!FAMILIES.includes(family)) throw unknownName(node, scope);
  if (member === '') throw new Faulty(node, `"${family}" needs a member: ${family}.NAME`);
  if (family === 'claim') return { type: 'any', read: claimReader(steps.slice(1)) };
  if (steps.length > 2) {
    throw new Faulty(
      node,
      `${family}.${member} is a text and has no members`,
      `${family}['${steps.slice(1).join('.')}']`,
    );
  }
  switch (family) {
    case 'param':
      return param(node, member, scope);
    case 'query': {
      const read = queryReader(member);
      return text((x) => certain(read(x.query), doubt));
    }
    default: {
      const name = member.toLowerCase();
      return text((x) => certain(headerValue(x, name), doubt));
    }
  }
}

function param(node: NameNode, name: string, { paramNames, suggest }: Scope): Operand {
  const at = paramNames.indexOf(name);
  if (at >= 0) return text((x) => decodedSegment(x.params[at]));
  const near = suggest?.(name, paramNames);
  throw new Faulty(
    node,
    `the path of this route has no parameter "${name}"`,
    near === undefined ? undefined : spelled('param', near),
  );
}

function text(read: (x: Exchange) => string | undefined): Operand {
  return { type: 'text', read };
}

function certain(field: Field, doubt: Doubt): string | undefined {
  if (field !== SEVERAL) return field;
  doubt.raised = true;
  return undefined;
}

/** Own members only: `claim.constructor` is a claim or nothing. */
function claimReader(path: readonly string[]): (x: Exchange) => Value {
  return function readClaim(x) {
    let value: unknown = x.identity?.claims;
    for (let i = 0; i < path.length; i++) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      if (!Object.hasOwn(value, path[i])) return undefined;
      value = (value as Record<string, unknown>)[path[i]];
    }
    return value;
  };
}

function unknownName(node: NameNode, { suggest }: Scope): Faulty {
  const [family, ...members] = node.steps;
  const whole = node.steps.join('.');
  const nearFamily = members.length === 0 ? undefined : suggest?.(family, FAMILIES);
  const near =
    nearFamily === undefined
      ? suggest?.(whole, Object.keys(SINGLE))
      : members.reduce((sofar, member) => spelled(sofar, member), nearFamily);
  // `role == admin`
  const quoted = suggest !== undefined && members.length === 0 ? `'${family}'` : undefined;
  return new Faulty(node, `unknown name "${whole}"`, near ?? quoted);
}

function spelled(holder: string, member: string): string {
  return /^(?:\*|[A-Za-z0-9_][A-Za-z0-9_-]*)$/.test(member)
    ? `${holder}.${member}`
    : `${holder}['${member}']`;
}
