/** What an instance says of itself, and how much of that is believed. Texts come from whoever can write to the registry. */

/** A registered instance, without where it is registered and until when. */
export interface Instance {
  /** Origin: scheme, IP address and port. */
  readonly url: string;
  /** 1 to 1000. */
  readonly weight: number;
  /** Empty: not said. */
  readonly zone: string;
  /** 0 to 9; 0 is asked first. */
  readonly priority: number;
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Why something is no instance: for people, naming the member. */
export class InstanceFault extends Error {}

/** Members of the JSON object; more are ignored in the registry, for those that other programs put there. */
export const INSTANCE_MEMBERS = ['url', 'weight', 'zone', 'priority', 'version', 'tags', 'metadata'] as const;

/** Of the JSON text of one instance. */
export const MOST_BYTES = 4096;
const MOST_TAGS = 16;
const MOST_METADATA = 32;

const ID = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/;
const LABEL = /^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}$/;
const METADATA_NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/;
const METADATA_VALUE = /^[^\x00-\x1f\x7f]{0,256}$/u;

/** What is wrong with the id of an instance, or null. */
export function idFault(id: string): string | null {
  return ID.test(id) ? null : 'an id has 1 to 128 letters, digits and . _ : @ -, a letter or digit first';
}

/** @throws InstanceFault */
export function parseInstance(text: string): Instance {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InstanceFault('it is not JSON');
  }
  return readInstance(value);
}

/** @throws InstanceFault */
export function readInstance(value: unknown): Instance {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InstanceFault('it is not a JSON object');
  }
  const given = value as Readonly<Record<string, unknown>>;
  const version = textIn(given, 'version');
  const tags = tagsIn(given);
  const metadata = metadataIn(given);
  return {
    url: urlIn(given),
    weight: numberIn(given, 'weight', 1, 1000, 1),
    zone: textIn(given, 'zone') ?? '',
    priority: numberIn(given, 'priority', 0, 9, 0),
    ...(version !== undefined && { version }),
    ...(tags.length > 0 && { tags }),
    ...(metadata !== null && { metadata }),
  };
}

/** The text to register. @throws InstanceFault: it is too long. */
export function formatInstance({ url, weight, zone, priority, version, tags, metadata }: Instance): string {
  const text = JSON.stringify({
    url,
    weight,
    ...(zone !== '' && { zone }),
    ...(priority !== 0 && { priority }),
    ...(version !== undefined && { version }),
    ...(tags !== undefined && { tags }),
    ...(metadata !== undefined && { metadata }),
  });
  if (Buffer.byteLength(text) <= MOST_BYTES) return text;
  throw new InstanceFault(`it is longer than ${MOST_BYTES} bytes as JSON`);
}

/** Which addresses a URL may have is another question: addresses.ts. */
function urlIn({ url: written }: Readonly<Record<string, unknown>>): string {
  if (typeof written !== 'string' || written.length > 300)
    throw new InstanceFault('url: expected http://address:port');
  const url = URL.parse(written);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InstanceFault('url: expected http://address:port or https://address:port');
  }
  if (url.username !== '' || url.password !== '') throw new InstanceFault('url: no user or password');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new InstanceFault('url: nothing behind the port');
  }
  if (url.port === '0') throw new InstanceFault('url: a port from 1 to 65535');
  return url.origin;
}

function numberIn(
  given: Readonly<Record<string, unknown>>,
  name: string,
  min: number,
  max: number,
  absent: number,
): number {
  const value = given[name];
  if (value === undefined || value === null) return absent;
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw new InstanceFault(`${name}: expected a whole number from ${min} to ${max}`);
}

function textIn(given: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = given[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && LABEL.test(value)) return value;
  throw new InstanceFault(`${name}: expected up to 64 letters, digits and . _ : / + -`);
}

function tagsIn({ tags }: Readonly<Record<string, unknown>>): string[] {
  if (tags === undefined || tags === null) return [];
  if (
    Array.isArray(tags) &&
    tags.length <= MOST_TAGS &&
    tags.every((tag) => typeof tag === 'string' && LABEL.test(tag))
  ) {
    return tags;
  }
  throw new InstanceFault(`tags: expected a list of up to ${MOST_TAGS} words`);
}

function metadataIn({ metadata }: Readonly<Record<string, unknown>>): Record<string, string> | null {
  if (metadata === undefined || metadata === null) return null;
  const expected = `metadata: expected an object of up to ${MOST_METADATA} texts, 256 characters each`;
  if (typeof metadata !== 'object' || Array.isArray(metadata)) throw new InstanceFault(expected);
  const entries = Object.entries(metadata as Record<string, unknown>);
  const isRight = ([name, value]: [string, unknown]) =>
    METADATA_NAME.test(name) && typeof value === 'string' && METADATA_VALUE.test(value);
  if (entries.length > MOST_METADATA || !entries.every(isRight)) throw new InstanceFault(expected);
  return entries.length === 0 ? null : (Object.fromEntries(entries) as Record<string, string>);
}
