/**
 * Finds what the path patterns of one host have for a path.
 *
 * Paths without parameters sit in a map by their whole text, as nothing can be more exact. The others share a radix tree whose
 * nodes are compared in place, so that a lookup cuts no strings. A tree has one way from its root to each node, so a lookup
 * visits a node at most once however often it turns back: what it costs is bounded by the configuration, not by the request.
 */
import type { PathPattern } from './pattern.js';

/** The answer that the value at a matching pattern gives to a request; null sends the search on to the next pattern. */
export type Ask<T, Q, A> = (value: T, request: Q) => A | null;

interface Node<T> {
  /** What the path must hold here. */
  text: string;
  /** By the code of their first character. */
  readonly children: Map<number, Node<T>>;
  /** Continues after one segment that is not empty; only where a segment starts. */
  parameter: Node<T> | null;
  /** The value of the pattern that ends here. */
  exact: T | null;
  /** The value of the pattern whose wildcard starts here. */
  rest: T | null;
}

const SLASH = '/';

export class PathTree<T> {
  readonly #static = new Map<string, T>();
  readonly #root: Node<T> = node('');

  /** Puts the one value for this pattern's shape. */
  set(pattern: PathPattern, value: T): void {
    if (pattern.captures.length === 0) this.#static.set(pattern.shape, value);
    else this.#insert(pattern, value);
  }

  /** Asks the values of the patterns that take the path, the most exact one first, until one has an answer. */
  find<Q, A>(path: string, ask: Ask<T, Q, A>, request: Q): A | null {
    const value = this.#static.get(path);
    const answer = value === undefined ? null : ask(value, request);
    return answer ?? descend(this.#root, path, 0, ask, request);
  }

  #insert(pattern: PathPattern, value: T): void {
    let at = this.#root;
    let literal = '';
    for (const segment of pattern.segments) {
      literal += SLASH;
      if (segment.kind === 'literal') {
        literal += segment.text;
        continue;
      }
      at = addText(at, literal);
      literal = '';
      if (segment.kind === 'wildcard') {
        at.rest = value;
        return;
      }
      at.parameter ??= node('');
      at = at.parameter;
    }
    addText(at, literal).exact = value;
  }
}

function descend<T, Q, A>(at: Node<T>, path: string, from: number, ask: Ask<T, Q, A>, request: Q): A | null {
  let answer: A | null = null;
  if (from === path.length) {
    if (at.exact !== null) answer = ask(at.exact, request);
  } else {
    const child = at.children.get(path.charCodeAt(from));
    if (child !== undefined && path.startsWith(child.text, from)) {
      answer = descend(child, path, from + child.text.length, ask, request);
    }
    if (answer === null && at.parameter !== null) {
      const slash = path.indexOf(SLASH, from);
      const end = slash < 0 ? path.length : slash;
      if (end > from) answer = descend(at.parameter, path, end, ask, request);
    }
  }
  return answer === null && at.rest !== null ? ask(at.rest, request) : answer;
}

/** The node at the end of `text` below `at`, made by splitting where texts part. */
function addText<T>(at: Node<T>, text: string): Node<T> {
  if (text === '') return at;
  const key = text.charCodeAt(0);
  const child = at.children.get(key);
  if (child === undefined) {
    const added = node<T>(text);
    at.children.set(key, added);
    return added;
  }
  const common = commonLength(child.text, text);
  if (common === child.text.length) return addText(child, text.slice(common));
  const upper = node<T>(text.slice(0, common));
  at.children.set(key, upper);
  child.text = child.text.slice(common);
  upper.children.set(child.text.charCodeAt(0), child);
  return addText(upper, text.slice(common));
}

function commonLength(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

function node<T>(text: string): Node<T> {
  return { text, children: new Map(), parameter: null, exact: null, rest: null };
}
