/** The words of a condition. */
import { Faulty, type Span } from './fault.js';

/** `member` is a name behind a dot, without it. */
export type TokenKind = 'name' | 'member' | 'text' | 'number' | 'symbol' | 'end';

export interface Token extends Span {
  readonly kind: TokenKind;
  /** Symbols and names as written, texts without quotes and escapes. */
  readonly text: string;
}

const SPACE = /[ \t\r\n]+/y;
const NAME = /[A-Za-z_][A-Za-z0-9_-]*/y;
/** The wildcard of a path is a parameter called `*`. */
const MEMBER = /\.(\*|[A-Za-z0-9_][A-Za-z0-9_-]*)/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?/y;
const SYMBOL = /\|\||&&|==|!=|<=|>=|[<>!()[\],]/y;
const GLUED = /[A-Za-z0-9_]/;

/** Spellings of other languages. */
const MEANT: Readonly<Record<string, string>> = { '=': '==', '&': '&&', '|': '||' };

/** The last token is the end. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ; ) {
    at = endOf(SPACE, text, at);
    if (at === text.length) break;
    const token = tokenAt(text, at);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: 'end', text: '', at: text.length, end: text.length });
  return tokens;
}

function tokenAt(text: string, at: number): Token {
  const first = text[at];
  if (first === "'" || first === '"') return quoted(text, at, first);
  const word = (kind: TokenKind, end: number): Token => ({ kind, text: text.slice(at, end), at, end });
  let end = endOf(NAME, text, at);
  if (end > at) return word('name', end);
  end = endOf(NUMBER, text, at);
  if (end > at) {
    if (GLUED.test(text[end] ?? ''))
      throw new Faulty({ at, end: end + 1 }, 'a number is followed by a letter');
    return word('number', end);
  }
  end = endOf(MEMBER, text, at);
  if (end > at) return { kind: 'member', text: text.slice(at + 1, end), at, end };
  end = endOf(SYMBOL, text, at);
  if (end > at) return word('symbol', end);
  if (first === '.') throw new Faulty({ at, end: at + 1 }, 'a dot is followed by a name');
  const sign = String.fromCodePoint(text.codePointAt(at) as number);
  throw new Faulty({ at, end: at + sign.length }, `"${sign}" has no meaning here`, MEANT[sign]);
}

function quoted(text: string, at: number, quote: string): Token {
  let value = '';
  for (let i = at + 1; i < text.length; i++) {
    const character = text[i];
    if (character === quote) return { kind: 'text', text: value, at, end: i + 1 };
    if (character !== '\\') {
      value += character;
      continue;
    }
    const escaped = text[++i];
    if (escaped !== "'" && escaped !== '"' && escaped !== '\\') {
      throw new Faulty(
        { at: i - 1, end: Math.min(i + 1, text.length) },
        `a backslash stands before a quote or another backslash`,
      );
    }
    value += escaped;
  }
  throw new Faulty({ at, end: text.length }, `a text begins with ${quote} and has no end`);
}

/** The pattern is sticky and has no choices to come back to: it reads each character once. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
