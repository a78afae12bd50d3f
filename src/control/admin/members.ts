/** What the body of a request says, member by member. All methods throw a RecordFault that names the member. */
import { didYouMean } from '../../config/did-you-mean.js';
import { RecordFault } from '../../services/records/record-fault.js';
import { MOMENTS, momentIn, SPANS, spanIn } from '../../services/records/time-words.js';

export class Members {
  readonly #values: Readonly<Record<string, unknown>>;

  /** `body` undefined: the request had none. */
  constructor(body: unknown, known: readonly string[]) {
    if (body === undefined) this.#values = {};
    else if (typeof body === 'object' && body !== null && !Array.isArray(body)) this.#values = { ...body };
    else throw invalid('the body must be a JSON object');
    for (const name of Object.keys(this.#values)) {
      if (known.includes(name)) continue;
      const meant = didYouMean(name, known);
      throw invalid(`unknown member "${name}"${meant === undefined ? '' : `, did you mean "${meant}"?`}`);
    }
  }

  text(name: string): string | undefined {
    return this.#read(name, 'a text', (value) => (typeof value === 'string' ? value : undefined));
  }

  needed(name: string): string {
    const text = this.text(name);
    if (text === undefined || text === '') throw invalid(`${name} is missing`);
    return text;
  }

  texts(name: string): string[] | undefined {
    return this.#read(name, 'a list of texts', (value) =>
      Array.isArray(value) && value.every((member) => typeof member === 'string') ? value : undefined,
    );
  }

  flag(name: string): boolean | undefined {
    return this.#read(name, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  /** A number of seconds since 1970. */
  seconds(name: string): number | undefined {
    return this.#read(name, 'a whole number of seconds since 1970', (value) =>
      Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined,
    );
  }

  /** Milliseconds; given as a duration. */
  span(name: string): number | undefined {
    return this.#read(name, SPANS, (value) =>
      typeof value === 'string' ? (spanIn(value) ?? undefined) : undefined,
    );
  }

  /** Milliseconds since 1970, or null for never; given as a time or a duration from now. */
  moment(name: string, now: number): number | null | undefined {
    return this.#read(name, `${MOMENTS}, or null`, (value) => {
      if (value === null) return null;
      return typeof value === 'string' ? (momentIn(value, now) ?? undefined) : undefined;
    });
  }

  #read<T>(name: string, expected: string, read: (value: unknown) => T | undefined): T | undefined {
    if (!Object.hasOwn(this.#values, name)) return undefined;
    const value = read(this.#values[name]);
    if (value === undefined) throw invalid(`${name}: expected ${expected}`);
    return value;
  }
}

function invalid(message: string): RecordFault {
  return new RecordFault('invalid', message);
}
