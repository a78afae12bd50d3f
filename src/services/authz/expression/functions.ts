/** The functions that conditions may call. */
import type { Exchange } from '../../../exchange.js';
import { holds } from './comparison.js';
import type { Scope } from './compile.js';
import { Faulty } from './fault.js';
import { networkFault, networkTest } from './network.js';
import { type Operand, TYPE_NAMES, type ValueType } from './operand.js';
import type { CallNode } from './syntax.js';

interface ExpressionFunction {
  /** For messages: `startsWith(text, text)`. */
  readonly usage: string;
  /** What each operand may be, `any` aside. */
  readonly operands: readonly (readonly ValueType[])[];
  compile(operands: readonly Operand[], node: CallNode, scope: Scope): Operand;
}

const TEXT: readonly ValueType[] = ['text'];
const ANYTHING: readonly ValueType[] = ['text', 'number', 'null', 'condition', 'list', 'set'];

const FUNCTIONS: Readonly<Record<string, ExpressionFunction>> = {
  startsWith: {
    usage: 'startsWith(text, text)',
    operands: [TEXT, TEXT],
    compile: (operands) => onTexts(operands, (text, start) => text.startsWith(start)),
  },
  endsWith: {
    usage: 'endsWith(text, text)',
    operands: [TEXT, TEXT],
    compile: (operands) => onTexts(operands, (text, end) => text.endsWith(end)),
  },
  contains: {
    usage: 'contains(text or list, part)',
    operands: [
      ['text', 'list', 'set'],
      ['text', 'number', 'null', 'condition'],
    ],
    compile: ([whole, part]) => condition((x) => contains(whole.read(x), part.read(x))),
  },
  inNetwork: {
    usage: "inNetwork(client.ip, '10.0.0.0/8')",
    operands: [TEXT, TEXT],
    compile: inNetwork,
  },
  exists: {
    usage: 'exists(value)',
    operands: [ANYTHING],
    compile: ([value]) => condition((x) => value.read(x) !== undefined),
  },
  lower: {
    usage: 'lower(text)',
    operands: [TEXT],
    compile: ([{ read }]) => ({ type: 'text', read: (x) => lower(read(x)) }),
  },
  now: {
    usage: 'now()',
    operands: [],
    compile: (_operands, _node, { now = Date.now }) => ({
      type: 'number',
      read: () => Math.floor(now() / 1000),
    }),
  },
};

/** @throws Faulty */
export function compileCall(node: CallNode, operands: readonly Operand[], scope: Scope): Operand {
  const { name } = node;
  if (!Object.hasOwn(FUNCTIONS, name.text)) {
    throw new Faulty(
      name,
      `unknown function "${name.text}"`,
      scope.suggest?.(name.text, Object.keys(FUNCTIONS)),
    );
  }
  const called = FUNCTIONS[name.text];
  if (operands.length !== called.operands.length) {
    throw new Faulty(node, `${name.text}() is called with ${operands.length} operands: ${called.usage}`);
  }
  for (const [i, { type }] of operands.entries()) {
    if (type === 'any' || called.operands[i].includes(type)) continue;
    throw new Faulty(node.operands[i], `${called.usage} does not take ${TYPE_NAMES[type]} here`);
  }
  return called.compile(operands, node, scope);
}

function condition(read: (x: Exchange) => boolean): Operand {
  return { type: 'condition', read };
}

function onTexts([first, second]: readonly Operand[], test: (a: string, b: string) => boolean): Operand {
  return condition((x) => {
    const [a, b] = [first.read(x), second.read(x)];
    return typeof a === 'string' && typeof b === 'string' && test(a, b);
  });
}

function contains(whole: unknown, part: unknown): boolean {
  if (typeof whole === 'string') return typeof part === 'string' && whole.includes(part);
  return Array.isArray(whole) && holds(whole, part);
}

function inNetwork([address, network]: readonly Operand[], node: CallNode): Operand {
  if (typeof network.constant !== 'string') {
    throw new Faulty(node.operands[1], 'the network is written out, such as 10.0.0.0/8');
  }
  const fault = networkFault(network.constant);
  if (fault !== null) throw new Faulty(node.operands[1], fault);
  const isInside = networkTest(network.constant);
  return condition((x) => {
    const value = address.read(x);
    return typeof value === 'string' && isInside(value);
  });
}

function lower(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase() : undefined;
}
