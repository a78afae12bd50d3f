import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type YAMLMap,
} from 'yaml';
import type { Path } from '../mistakes.js';

/**
 * The offset of the value at a path, or of its key. What does not exist (a missing option) is placed at the start of the
 * mapping that should hold it; an empty value at its key.
 */
export function offsetOf(document: Document, path: Path, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    const holder = isAlias(node) ? node.resolve(document) : node;
    if (isMap(holder)) {
      const pair = findPair(document, holder, String(step));
      if (pair === undefined) return startOf(holder) ?? offset;
      offset = startOf(pair.key) ?? offset;
      if (index === path.length - 1 && at === 'key') return offset;
      node = pair.value;
    } else if (isSeq(holder)) {
      node = holder.items[Number(step)];
    } else {
      return offset;
    }
    if (!isEmpty(node)) offset = startOf(node) ?? offset;
  }
  return offset;
}

/** The path of a node, from the ancestors that `visit` gives. */
export function pathOf(ancestors: readonly (Document | Node | Pair)[], node: Node): Path {
  const path: PropertyKey[] = [];
  for (const [index, ancestor] of ancestors.entries()) {
    if (isPair(ancestor)) path.push(keyOf(ancestor));
    if (isSeq(ancestor)) path.push(ancestor.items.indexOf(ancestors[index + 1] ?? node));
  }
  return path;
}

/** The pair of a key, also where a merge key (`<<`) brings it in. */
function findPair(document: Document, map: YAMLMap, key: string): Pair | undefined {
  const own = map.items.find((pair) => keyOf(pair) === key);
  if (own !== undefined) return own;
  for (const pair of map.items) {
    if (keyOf(pair) !== '<<') continue;
    const sources = isSeq(pair.value) ? pair.value.items : [pair.value];
    for (const source of sources) {
      const merged = isAlias(source) ? source.resolve(document) : source;
      const found = isMap(merged) ? findPair(document, merged, key) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function keyOf(pair: Pair): string {
  const key = isScalar(pair.key) ? (pair.key.source ?? pair.key.value) : pair.key;
  return typeof key === 'symbol' ? (key.description ?? '') : String(key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function isEmpty(node: unknown): boolean {
  return isScalar(node) && node.value === null && node.range?.[0] === node.range?.[1];
}
