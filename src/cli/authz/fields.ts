/** Reads members of a mapping from a file, and says what is wrong with them and where. */
import { didYouMean } from '../../config/did-you-mean.js';
import type { Complaint, Path } from '../../config/mistakes.js';

interface Demand {
  readonly required?: boolean;
}

export class Fields {
  readonly path: Path;
  readonly #values: Readonly<Record<string, unknown>>;
  /** Silent when there is no mapping: one mistake says it all. */
  readonly complain: (complaint: Complaint) => void;

  /** `known`: all members that may occur. */
  constructor(
    value: unknown,
    path: Path,
    known: readonly string[],
    complain: (complaint: Complaint) => void,
  ) {
    this.path = path;
    this.complain = isMapping(value) ? complain : () => {};
    this.#values = isMapping(value) ? value : {};
    if (!isMapping(value))
      complain({ path, message: 'is no mapping', expected: `a mapping with ${known.join(', ')}` });
    for (const member of Object.keys(this.#values)) {
      if (known.includes(member)) continue;
      complain({
        path: [...path, member],
        at: 'key',
        message: `unknown member "${member}"`,
        expected: `one of ${known.join(', ')}`,
        suggestion: didYouMean(member, known),
      });
    }
  }

  /** undefined: it is not there. */
  value(member: string): unknown {
    return Object.hasOwn(this.#values, member) ? this.#values[member] : undefined;
  }

  wrong(member: string, message: string, expected: string, suggestion?: string): void {
    this.complain({ path: [...this.path, member], message, expected, suggestion });
  }

  text(member: string, fallback: string, demand: Demand = {}): string {
    const value = this.value(member);
    if (value === undefined) return this.#absent(member, demand, 'a text') ?? fallback;
    if (typeof value === 'string' && (value !== '' || !demand.required)) return value;
    this.wrong(member, 'is not allowed here', 'a text', typeof value === 'number' ? `"${value}"` : undefined);
    return fallback;
  }

  oneOf<T extends string>(member: string, allowed: readonly T[], demand: Demand = {}): T | undefined {
    const value = this.value(member);
    const expected = `one of ${allowed.join(', ')}`;
    if (value === undefined) return this.#absent(member, demand, expected);
    const found = allowed.find((one) => one === value);
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? didYouMean(value, allowed) : undefined;
    this.wrong(member, `${JSON.stringify(value)} is not allowed here`, expected, near);
    return undefined;
  }

  /** One text stands for a list of one. */
  texts(member: string): string[] {
    const value = this.value(member);
    if (value === undefined) return [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    const bad = list.findIndex((one) => typeof one !== 'string');
    if (bad < 0) return list as string[];
    const path = Array.isArray(value) ? [...this.path, member, bad] : [...this.path, member];
    this.complain({ path, message: 'is not allowed here', expected: 'a text' });
    return [];
  }

  mapping(member: string): Readonly<Record<string, unknown>> {
    const value = this.value(member);
    if (value === undefined) return {};
    if (isMapping(value)) return value;
    this.wrong(member, 'is not allowed here', 'a mapping');
    return {};
  }

  #absent(member: string, { required }: Demand, expected: string): undefined {
    if (required) this.complain({ path: this.path, message: `${member} is missing`, expected });
    return undefined;
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
