/** Keys and indexes from the root of the configuration to a value in it. */
export type Path = readonly PropertyKey[];

/** Something wrong with a configuration file, for people and for programs. */
export interface Mistake {
  readonly file: string;
  /** From 1; 0 when the mistake has no place in the file (it cannot be read). */
  readonly line: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly col: number;
  /** `routes[0].match.path`; empty when the mistake is the file's as a whole. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** What is allowed. */
  readonly expected?: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** A mistake whose place in the file is still to be found. */
export interface Complaint {
  readonly path: Path;
  /** What the position points at: the value (default) or the key before it. */
  readonly at?: 'key' | 'value';
  readonly message: string;
  readonly expected?: string | undefined;
  readonly suggestion?: string | undefined;
}

/** `file:line:col  path  what is wrong; expected what is allowed; did you mean what was meant?` */
export function formatMistake(mistake: Mistake): string {
  const { file, line, col, path, message, expected, suggestion } = mistake;
  const where = line === 0 ? file : `${file}:${line}:${col}`;
  const what = [message];
  if (expected !== undefined) what.push(`expected ${expected}`);
  if (suggestion !== undefined) what.push(`did you mean ${suggestion}?`);
  return [where, path, what.join('; ')].filter((part) => part !== '').join('  ');
}

/** In the order of the file. */
export function sortMistakes(mistakes: readonly Mistake[]): Mistake[] {
  return mistakes.toSorted((a, b) => a.line - b.line || a.col - b.col);
}

/** `['routes', 0, 'match']` → `routes[0].match`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(String(step))) text += text === '' ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(String(step))}]`;
  }
  return text;
}

/** The value at a path of plain data, undefined when there is none. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}
