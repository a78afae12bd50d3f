/**
 * Reads a condition:
 *
 *   or       = and { "||" and }
 *   and      = not { "&&" not }
 *   not      = "!" not | compare
 *   compare  = operand [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" ) operand ]
 *   operand  = text | number | "true" | "false" | "null" | list | call | name | "(" or ")"
 *   list     = "[" [ or { "," or } ] "]"
 *   call     = NAME "(" [ or { "," or } ] ")"
 *   name     = NAME { "." NAME | "[" text "]" }
 *
 * `!` takes the whole comparison behind it: `!a == b` is `!(a == b)`.
 */
import { Faulty } from './fault.js';
import type { Comparison, LiteralNode, NameNode, Node } from './syntax.js';
import { type Token, tokensOf } from './tokens.js';

const MOST_BYTES = 4096;
/** Levels of parentheses, lists, calls and negations. */
const MOST_LEVELS = 32;

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);
const LITERALS: ReadonlyMap<string, true | false | null> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);
/** Spellings of other languages. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['and', '&&'],
  ['or', '||'],
  ['not', '!'],
  ['eq', '=='],
  ['ne', '!='],
]);

/** @throws Faulty */
export function parse(text: string): Node {
  if (Buffer.byteLength(text) > MOST_BYTES) {
    throw new Faulty({ at: 0, end: text.length }, `a condition has at most ${MOST_BYTES} bytes`);
  }
  return new Parser(tokensOf(text)).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #level = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Node {
    if (this.#atEnd) throw this.#unexpected('a condition');
    const node = this.#or();
    if (!this.#atEnd) throw this.#unexpected('the end, && or ||');
    return node;
  }

  get #token(): Token {
    return this.#tokens[this.#next];
  }

  get #atEnd(): boolean {
    return this.#token.kind === 'end';
  }

  #or(): Node {
    return this.#joined('or', '||', () => this.#joined('and', '&&', () => this.#not()));
  }

  #joined(kind: 'and' | 'or', symbol: string, read: () => Node): Node {
    const first = read();
    if (!this.#is(symbol)) return first;
    const members = [first];
    while (this.#take(symbol)) members.push(read());
    return { kind, members, at: first.at, end: members[members.length - 1].end };
  }

  #not(): Node {
    const { at } = this.#token;
    if (!this.#take('!')) return this.#compare();
    const operand = this.#deeper(() => this.#not());
    return { kind: 'not', operand, at, end: operand.end };
  }

  #compare(): Node {
    const left = this.#operand();
    const operator = this.#token;
    if (!COMPARISONS.has(operator.text) || (operator.kind !== 'symbol' && operator.kind !== 'name'))
      return left;
    this.#next++;
    const right = this.#operand();
    const after = this.#token;
    if (COMPARISONS.has(after.text) && (after.kind === 'symbol' || after.kind === 'name')) {
      throw new Faulty(after, 'comparisons are joined by && or ||');
    }
    return {
      kind: 'compare',
      operator: operator.text as Comparison,
      left,
      right,
      at: left.at,
      end: right.end,
    };
  }

  #operand(): Node {
    const token = this.#token;
    const { kind, text, at, end } = token;
    if (kind === 'text') return this.#literal(token, text);
    if (kind === 'number') return this.#literal(token, Number(text));
    if (kind === 'name') {
      const word = LITERALS.get(text);
      if (word !== undefined) return this.#literal(token, word);
      if (text === 'in') throw this.#unexpected('a value');
      this.#next++;
      if (!this.#is('(')) return this.#name(token);
      if (MEANT.has(text)) throw new Faulty(token, `"${text}" is no function`, MEANT.get(text));
      const operands = this.#list('(', ')');
      return { kind: 'call', name: { text, at, end }, operands, at, end: this.#before };
    }
    if (this.#is('[')) return { kind: 'list', members: this.#list('[', ']'), at, end: this.#before };
    if (!this.#take('(')) throw this.#unexpected('a value');
    const inner = this.#deeper(() => this.#or());
    this.#expect(')');
    return { ...inner, at, end: this.#before };
  }

  #literal({ at, end }: Token, value: LiteralNode['value']): Node {
    this.#next++;
    return { kind: 'literal', value, at, end };
  }

  #name(first: Token): NameNode {
    const steps = [first.text];
    for (;;) {
      const token = this.#token;
      if (token.kind === 'member' && token.at === this.#before) {
        steps.push(token.text);
        this.#next++;
      } else if (this.#take('[')) {
        const key = this.#token;
        if (key.kind !== 'text') throw this.#unexpected("a text, as in claim['name']");
        steps.push(key.text);
        this.#next++;
        this.#expect(']');
      } else {
        return { kind: 'name', steps, at: first.at, end: this.#before };
      }
    }
  }

  #list(open: string, close: string): Node[] {
    this.#expect(open);
    const members: Node[] = [];
    if (this.#take(close)) return members;
    do {
      members.push(this.#deeper(() => this.#or()));
    } while (this.#take(','));
    this.#expect(close, `"," or "${close}"`);
    return members;
  }

  #deeper(read: () => Node): Node {
    if (++this.#level > MOST_LEVELS) {
      throw new Faulty(this.#token, `a condition has at most ${MOST_LEVELS} levels`);
    }
    const node = read();
    this.#level--;
    return node;
  }

  /** Where the last token that was taken ends. */
  get #before(): number {
    return this.#tokens[this.#next - 1].end;
  }

  #is(symbol: string): boolean {
    return this.#token.kind === 'symbol' && this.#token.text === symbol;
  }

  #take(symbol: string): boolean {
    const found = this.#is(symbol);
    if (found) this.#next++;
    return found;
  }

  #expect(symbol: string, what = `"${symbol}"`): void {
    if (!this.#take(symbol)) throw this.#unexpected(what);
  }

  #unexpected(expected: string): Faulty {
    const token = this.#token;
    if (token.kind === 'end') return new Faulty(token, `the condition ends where ${expected} is expected`);
    const written = token.kind === 'text' ? 'a text' : `"${token.text}"`;
    const meant = token.kind === 'name' ? MEANT.get(token.text.toLowerCase()) : undefined;
    return new Faulty(token, `${written} stands where ${expected} is expected`, meant);
  }
}
