/** Names of channels, and patterns of them. A name is made of segments with dots between them: `ticks.EURUSD`. */
import type { Exchange } from '../../exchange.js';
import { decodedSegment } from '../authz/expression/request.js';
import { claimAt } from '../identity.js';

export const LONGEST_NAME = 128;
const NAME = /^[A-Za-z0-9_:~%-]+(?:\.[A-Za-z0-9_:~%-]+)*$/;
const LITERAL = /^[A-Za-z0-9_:~%-]*$/;
const PLACEHOLDER = /\$\{([^}]*)\}/g;

export function isChannelName(text: unknown): text is string {
  return typeof text === 'string' && text.length <= LONGEST_NAME && NAME.test(text);
}

/** undefined: there is no such value, and the pattern matches nothing. */
type Read = (x: Exchange) => unknown;

const OF_IDENTITY: Readonly<Record<string, Read>> = {
  'auth.user': (x) => x.identity?.user || undefined,
  'auth.consumer': (x) => x.identity?.consumer || undefined,
  'auth.plan': (x) => x.identity?.plan || undefined,
};

/** All that patterns may name, as documentation lists it. */
export const patternVariables: readonly string[] = [...Object.keys(OF_IDENTITY), 'claim.NAME', 'param.NAME'];

/** One segment of a pattern. */
type Segment =
  /** Any one; as the last also all that follow. */
  | { readonly kind: 'any' }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'variable'; readonly parts: readonly (string | Read)[] };

/** Which channels: `ticks.*`, `private.${auth.user}.*`. `*` is one segment, or at the end the rest. */
export class ChannelPattern {
  readonly text: string;
  readonly #segments: readonly Segment[];

  /** `text` has no fault. */
  constructor(text: string, paramNames: readonly string[]) {
    this.text = text;
    this.#segments = segmentsOf(text).map((segment) => compile(segment, paramNames));
  }

  /** Whether the channel is one of them, for this caller. `segments` are those of a valid name. */
  matches(segments: readonly string[], x: Exchange): boolean {
    return this.#fits(segments, (segment, given) => given === rendered(segment, x));
  }

  /** Whether it can be, for some caller. */
  covers(segments: readonly string[]): boolean {
    return this.#fits(segments, () => true);
  }

  #fits(
    segments: readonly string[],
    holds: (segment: Segment & { kind: 'variable' }, given: string) => boolean,
  ): boolean {
    const pattern = this.#segments;
    const last = pattern.length - 1;
    const open = pattern[last].kind === 'any';
    if (open ? segments.length <= last : segments.length !== pattern.length) return false;
    return pattern.every((segment, i) => {
      if (segment.kind === 'any') return true;
      return segment.kind === 'literal' ? segment.text === segments[i] : holds(segment, segments[i]);
    });
  }
}

/** What is wrong with a pattern, or null. */
export function channelPatternFault(text: string, paramNames: readonly string[] | null): string | null {
  if (text.length > LONGEST_NAME) return `a pattern has at most ${LONGEST_NAME} characters`;
  for (const segment of segmentsOf(text)) {
    if (segment === '') return 'between two dots stands a segment, and neither end has a dot';
    if (segment === '*') continue;
    if (segment.includes('*')) return `"*" is a whole segment: "${segment}" is not`;
    for (const [, variable] of segment.matchAll(PLACEHOLDER)) {
      const fault = variableFault(variable, paramNames);
      if (fault !== null) return fault;
    }
    if (!LITERAL.test(segment.replace(PLACEHOLDER, ''))) {
      return `"${segment}" has other characters than letters, digits and _ : ~ % -`;
    }
  }
  return null;
}

/**
 * A value as it stands in the name of a channel: everything that is not a letter, a digit, `_`, `-` or `~` is percent-encoded,
 * the dot too, so that no value makes more than one segment or is taken for another.
 */
export function encodeSegment(value: string): string {
  return encodeURIComponent(value).replace(
    /[.!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Dots within `${…}` are none of the name's. */
function segmentsOf(text: string): string[] {
  const kept: string[] = [];
  const veiled = text.replace(PLACEHOLDER, (whole) => `\0${kept.push(whole) - 1}\0`);
  return veiled.split('.').map((segment) => segment.replace(/\0(\d+)\0/g, (_, i) => kept[Number(i)]));
}

function variableFault(variable: string, paramNames: readonly string[] | null): string | null {
  if (Object.hasOwn(OF_IDENTITY, variable)) return null;
  const [family, name] = splitFamily(variable);
  if (family === 'claim' && name !== '') return null;
  if (family !== 'param' || name === '')
    return `no variable is called "${variable}": there are ${patternVariables.join(', ')}`;
  if (paramNames === null || paramNames.includes(name)) return null;
  return `the path of this route has no parameter "${name}"`;
}

function compile(segment: string, paramNames: readonly string[]): Segment {
  if (segment === '*') return { kind: 'any' };
  const parts: (string | Read)[] = [];
  let from = 0;
  for (const found of segment.matchAll(PLACEHOLDER)) {
    if (found.index > from) parts.push(segment.slice(from, found.index));
    parts.push(reader(found[1], paramNames));
    from = found.index + found[0].length;
  }
  if (from === 0) return { kind: 'literal', text: segment };
  if (from < segment.length) parts.push(segment.slice(from));
  return { kind: 'variable', parts };
}

function reader(variable: string, paramNames: readonly string[]): Read {
  if (Object.hasOwn(OF_IDENTITY, variable)) return OF_IDENTITY[variable];
  const [family, name] = splitFamily(variable);
  if (family === 'claim') return (x) => (x.identity === null ? undefined : claimAt(x.identity.claims, name));
  const at = paramNames.indexOf(name);
  return (x) => decodedSegment(x.params[at]);
}

function splitFamily(variable: string): [family: string, name: string] {
  const dot = variable.indexOf('.');
  return dot < 0 ? [variable, ''] : [variable.slice(0, dot), variable.slice(dot + 1)];
}

/** null: a value is missing, or is no text of characters. */
function rendered({ parts }: Segment & { kind: 'variable' }, x: Exchange): string | null {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = part(x);
    if (typeof value !== 'string' && typeof value !== 'number') return null;
    const said = String(value);
    // Half a surrogate pair is no character: it has no bytes that could be encoded.
    if (said === '' || !said.isWellFormed()) return null;
    text += encodeSegment(said);
  }
  return text;
}
