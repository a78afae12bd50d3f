import {
  type Document,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  visit,
  type YAMLError,
} from 'yaml';
import { type Complaint, formatPath, type Mistake, type Path } from '../mistakes.js';
import { chooseVeil, type Environment, expandEnvironment, REFERENCE } from './environment.js';
import { offsetOf, pathOf } from './positions.js';

/** A YAML 1.2 file (with anchors and merge keys) as plain data that still knows where each value was written. */
export class ConfigDocument {
  /** Plain data with environment variables put in; undefined when the file is not YAML. */
  readonly value: unknown;
  /** What is wrong with the file as YAML, and with its environment variables. */
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];

  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  /** Starts of the values that lack an environment variable. */
  readonly #incomplete = new Set<number>();

  constructor(text: string, file: string, environment: Environment) {
    this.#file = file;
    const veil = chooseVeil(text);
    this.#document = parseDocument(veil.cover(text), {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
      // Neither bytes nor dates nor sets: a configuration is what JSON can hold.
      resolveKnownTags: false,
      logLevel: 'error',
    });
    const syntax = (error: YAMLError) => this.#mistake(error.pos[0], [], syntaxFault(error, text, veil.lift));
    const mistakes = this.#document.errors.map(syntax);
    this.warnings = this.#document.warnings.map(syntax);
    this.mistakes = mistakes;
    if (mistakes.length > 0) return;

    visit(this.#document, {
      Pair: (_, { key }, ancestors) => {
        if (key === null || isScalar(key)) return;
        const path = pathOf(ancestors, key as Node);
        mistakes.push(
          this.#mistake((key as Node).range?.[0] ?? 0, path, { message: 'a key is a plain text' }),
        );
      },
      Scalar: (key, scalar, ancestors) => {
        if (typeof scalar.value !== 'string') return;
        scalar.value = veil.lift(scalar.value);
        if (key !== 'key')
          mistakes.push(...this.#expand(scalar as Scalar<string>, ancestors, text, environment));
      },
    });
    try {
      this.value = this.#document.toJS();
    } catch (error) {
      // Aliases that multiply without bound, or an anchor inside itself.
      mistakes.push(
        this.#mistake(0, [], { message: error instanceof Error ? error.message : String(error) }),
      );
    }
  }

  /** Finds the place of a complaint. */
  locate({ path, at, ...complaint }: Complaint): Mistake {
    return this.#mistake(offsetOf(this.#document, path, at ?? 'value'), path, complaint);
  }

  /** Whether there is a mistake about the environment at this very value, so that another would only repeat it. */
  isIncomplete({ path, at }: Complaint): boolean {
    return this.#incomplete.has(offsetOf(this.#document, path, at ?? 'value'));
  }

  #expand(
    scalar: Scalar,
    ancestors: Parameters<typeof pathOf>[0],
    text: string,
    environment: Environment,
  ): Mistake[] {
    const { text: value, changed, faults } = expandEnvironment(String(scalar.value), environment);
    scalar.value = changed && scalar.type === Scalar.PLAIN ? typed(this.#document, value) : value;
    if (faults.length === 0) return [];
    const [start, end] = scalar.range ?? [0, 0];
    this.#incomplete.add(start);
    const references = [...text.slice(start, end).matchAll(REFERENCE)];
    const path = pathOf(ancestors, scalar as Node);
    return faults.map(({ reference, ...fault }) =>
      this.#mistake(start + (references[reference]?.index ?? 0), path, fault),
    );
  }

  #mistake(
    offset: number,
    path: Path,
    { message, expected, suggestion }: Omit<Complaint, 'path' | 'at'>,
  ): Mistake {
    return {
      file: this.#file,
      ...this.#lines.linePos(offset),
      path: formatPath(path),
      message,
      ...(expected !== undefined && { expected }),
      ...(suggestion !== undefined && { suggestion }),
    };
  }
}

function syntaxFault(
  { code, message, pos }: YAMLError,
  text: string,
  lift: (text: string) => string,
): { message: string } {
  const key = /[^\s:]*/.exec(text.slice(pos[0]))?.[0];
  if (code === 'DUPLICATE_KEY') return { message: `the key ${key} appears twice in one mapping` };
  if (code === 'TAB_AS_INDENT') return { message: 'YAML is indented with spaces, not with tabs' };
  if (code === 'TAG_RESOLVE_FAILED') return { message: `the tag ${text.slice(...pos)} has no meaning here` };
  if (code === 'MULTIPLE_DOCS')
    return { message: 'a configuration is one YAML document; a second one begins here' };
  return { message: lift(`not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`) };
}

/** The value that YAML would read if the text stood there unquoted. Never more than a scalar: variables add no structure. */
function typed(document: Document, text: string): unknown {
  for (const tag of document.schema?.tags ?? []) {
    if ('test' in tag && tag.default === true && tag.test?.test(text)) {
      const value: unknown = tag.resolve?.(text, () => {}, document.options as never);
      return isScalar(value) ? value.value : value;
    }
  }
  return text;
}
