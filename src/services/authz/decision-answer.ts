/** What a decision point says. */
import type { CallAnswer } from '../../upstream/call/call.js';

export interface DecisionAnswer {
  readonly allow: boolean;
  /** How long it holds; 0: for the one question only. */
  readonly ttlMs: number;
}

/**
 * `{ "allow": … }`, or `{ "result": … }` with a boolean or such a mapping, as OPA answers; beside `allow` or `result` a
 * `ttl` in seconds, else `Cache-Control: max-age`. A mapping with neither is how OPA says that no rule allows it.
 * @throws Error for what is no answer
 */
export function readAnswer({ status, headers, body }: CallAnswer): DecisionAnswer {
  if (status !== 200) throw new Error(`the decision point answered with status ${status}`);
  const said = mappingOf(body);
  const inner = isMapping(said.result) ? said.result : said;
  const verdict = inner.allow ?? (isMapping(said.result) ? undefined : said.result);
  if (verdict !== undefined && typeof verdict !== 'boolean') {
    throw new Error('the decision point answered neither true nor false');
  }
  return {
    allow: verdict === true,
    ttlMs: ttlOf(inner.ttl ?? said.ttl) ?? maxAgeOf(headers['cache-control']),
  };
}

function mappingOf(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new Error('the decision point answered something else than JSON');
  }
  if (isMapping(value)) return value;
  throw new Error('the decision point answered no mapping');
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ttlOf(seconds: unknown): number | undefined {
  if (seconds === undefined) return undefined;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 0;
}

/** RFC 9111 §5.2.2. */
function maxAgeOf(field: string | undefined): number {
  if (field === undefined) return 0;
  const directives = field
    .toLowerCase()
    .split(',')
    .map((directive) => directive.trim());
  if (directives.includes('no-store') || directives.includes('no-cache')) return 0;
  const ages = directives.flatMap((directive) => /^max-age="?(\d{1,9})"?$/.exec(directive)?.[1] ?? []);
  return ages.length === 1 ? Number(ages[0]) * 1000 : 0;
}
