/**
 * Finds what the path patterns of one host have for a path.
 *
 * Paths without parameters sit in a map by their whole text, as nothing can be more exact. The others share a
 * tree with a level for each segment. Segments are hashed and compared in place, so that a lookup cuts no
 * strings. A tree has one way from its root to each node, so a lookup visits a node at most once however
 * often it turns back: what it costs is bounded by the configuration. The hash needs no secret: requests only
 * look up, and only the configuration adds.
 */
import type { PathPattern } from './pattern.js';

/**
 * The answer that the value at a matching pattern gives to a request; null sends the search on to the next
 * pattern.
 */
export type Ask<T, Q, A> = (value: T, request: Q) => A | null;

interface Node<T> {
  /** The literal segment that leads here from the parent, and its hash. */
  readonly text: string;
  readonly hash: number;
  /** The next node in the same slot of the parent. */
  next: Node<T> | null;
  /** The nodes of literal segments; null when there are none. */
  slots: Slots<T> | null;
  literals: number;
  /** Takes any segment that is not empty. */
  parameter: Node<T> | null;
  /** The value of the pattern that ends here. */
  exact: T | null;
  /** The value of the pattern whose wildcard starts here. */
  rest: T | null;
}

/** Lists of nodes by the low bits of their hashes: the length is a power of two. */
type Slots<T> = (Node<T> | null)[];

const SLASH = 0x2f;

export class PathTree<T> {
  readonly #static = new Map<string, T>();
  readonly #root: Node<T> = node('');

  /** Puts the one value for this pattern's shape. */
  set(pattern: PathPattern, value: T): void {
    if (pattern.captures === null) {
      this.#static.set(pattern.shape, value);
      return;
    }
    let at = this.#root;
    for (const { kind, text } of pattern.segments) {
      if (kind === 'wildcard') {
        at.rest = value;
        return;
      }
      at = kind === 'literal' ? literalChild(at, text) : parameterChild(at);
    }
    at.exact = value;
  }

  /**
   * Asks the values of the patterns that take the path, the most exact one first, until one has an answer.
   */
  find<Q, A>(path: string, ask: Ask<T, Q, A>, request: Q): A | null {
    const value = this.#static.get(path);
    const answer = value === undefined ? null : ask(value, request);
    return answer ?? descend(this.#root, path, 1, ask, request);
  }
}

/** `from` is where a segment starts. */
function descend<T, Q, A>(at: Node<T>, path: string, from: number, ask: Ask<T, Q, A>, request: Q): A | null {
  let hash = 0;
  let end = from;
  for (; end < path.length; end++) {
    const c = path.charCodeAt(end);
    if (c === SLASH) break;
    hash = mix(hash, c);
  }
  let answer: A | null = null;
  if (at.slots !== null) {
    for (let child = at.slots[hash & (at.slots.length - 1)]; child !== null; child = child.next) {
      if (child.hash !== hash || child.text.length !== end - from || !path.startsWith(child.text, from))
        continue;
      answer = arrive(child, path, end, ask, request);
      break;
    }
  }
  if (answer === null && at.parameter !== null && end > from)
    answer = arrive(at.parameter, path, end, ask, request);
  return answer === null && at.rest !== null ? ask(at.rest, request) : answer;
}

/** `end` is where the segment that led here ends. */
function arrive<T, Q, A>(at: Node<T>, path: string, end: number, ask: Ask<T, Q, A>, request: Q): A | null {
  if (end < path.length) return descend(at, path, end + 1, ask, request);
  return at.exact === null ? null : ask(at.exact, request);
}

function literalChild<T>(at: Node<T>, text: string): Node<T> {
  const added = node<T>(text);
  at.slots ??= [null];
  for (let child = at.slots[added.hash & (at.slots.length - 1)]; child !== null; child = child.next) {
    if (child.text === text) return child;
  }
  if (at.literals === at.slots.length) at.slots = doubled(at.slots);
  hang(added, at.slots);
  at.literals++;
  return added;
}

function parameterChild<T>(at: Node<T>): Node<T> {
  at.parameter ??= node('');
  return at.parameter;
}

function doubled<T>(slots: Slots<T>): Slots<T> {
  const more: Slots<T> = Array(slots.length * 2).fill(null);
  for (const first of slots) {
    for (let child = first; child !== null; ) {
      const { next } = child;
      hang(child, more);
      child = next;
    }
  }
  return more;
}

function hang<T>(child: Node<T>, slots: Slots<T>): void {
  const slot = child.hash & (slots.length - 1);
  child.next = slots[slot];
  slots[slot] = child;
}

function node<T>(text: string): Node<T> {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
  return { text, hash, next: null, slots: null, literals: 0, parameter: null, exact: null, rest: null };
}

/** The hash of a text that is one character longer; its low bits depend on all characters. */
function mix(hash: number, c: number): number {
  return (Math.imul(hash, 31) + c) & 0x3fffffff;
}
