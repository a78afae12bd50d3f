/** `${NAME}` or `${NAME:-default}`: an environment variable. */
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/;

/** `${client.ip}`: with a dot, so it is filled in for each request and is none of the environment's. */
const RUN_TIME = /^[A-Za-z][A-Za-z0-9]*\./;

/** Anything in `${…}`, with the `$` before it that makes it literal. */
export const REFERENCE = /\$?\$\{([^{}\n]*)\}/g;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Expansion {
  readonly text: string;
  /** Whether a variable was put in. */
  readonly changed: boolean;
  readonly faults: readonly ExpansionFault[];
}

export interface ExpansionFault {
  /** Which reference of the text it is, from 0. */
  readonly reference: number;
  readonly message: string;
  readonly expected: string;
}

/**
 * Puts environment variables in. As in a shell, the default of `${NAME:-default}` is taken when the variable is absent or
 * empty. Escapes (`$${`) stay: the schema knows which values may name variables of the request and undoes them in the others.
 */
export function expandEnvironment(text: string, environment: Environment): Expansion {
  const faults: ExpansionFault[] = [];
  let reference = -1;
  let changed = false;
  const expanded = text.replace(REFERENCE, (whole, inner: string) => {
    reference++;
    if (whole.startsWith('$$')) return whole;
    const variable = VARIABLE.exec(inner);
    if (variable === null && RUN_TIME.test(inner)) return whole;
    if (variable === null) {
      faults.push({
        reference,
        message: `${whole} is neither an environment variable nor a variable of the request`,
        expected: '${NAME}, ${NAME:-default} or ${client.ip} and the like; $${ for a literal ${',
      });
      return whole;
    }
    const [, name = '', fallback] = variable;
    const value = environment[name];
    changed = true;
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback !== undefined) return fallback;
    faults.push({
      reference,
      message: `the environment variable ${name} is not set`,
      expected: `it to be set, or a default as in \${${name}:-default}`,
    });
    return whole;
  });
  return { text: expanded, changed, faults };
}

/**
 * Braces end a plain scalar inside `[…]` and `{…}`, and a default may hold `:` or `#`. So the characters of each `${…}` are
 * replaced before parsing, one for one (positions stay true), by private-use characters that the file does not contain.
 */
export function chooseVeil(text: string): { cover(text: string): string; lift(text: string): string } {
  let base = 0xe000;
  while (
    base < 0xf800 &&
    new RegExp(`[\\u{${base.toString(16)}}-\\u{${(base + 0x7f).toString(16)}}]`, 'u').test(text)
  )
    base += 0x80;
  const shift = (by: number) => (character: string) => String.fromCharCode(character.charCodeAt(0) + by);
  const veiled = new RegExp(`[\\u{${base.toString(16)}}-\\u{${(base + 0x7f).toString(16)}}]`, 'gu');
  return {
    cover: (plain) => plain.replace(REFERENCE, (reference) => reference.replace(/[\x20-\x7e]/g, shift(base))),
    lift: (covered) => covered.replace(veiled, shift(-base)),
  };
}
