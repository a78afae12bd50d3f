/** What requests share a bucket by, compiled: each part puts itself into the hash. */
import type { LimitConfig } from '../../config/schema/limits/limits.js';
import type { QueueConfig } from '../../config/schema/limits/queue.js';
import type { Exchange } from '../../exchange.js';
import { claimAt } from '../identity.js';
import type { KeyHasher } from './key-hash.js';
import { isRate } from './terms.js';

export type KeyPart = (hasher: KeyHasher, x: Exchange) => void;

/** Parts that only a known caller has. */
const OF_IDENTITY = /^(?:user|consumer|caller|apiKey|role|claim:.*)$/;

/** Whether a limit can only be decided when it is known who calls. */
export function needsIdentity({ by, rate, max, over }: LimitConfig): boolean {
  const byRole = (rate !== undefined && !isRate(rate)) || typeof max === 'object';
  return (
    byRole ||
    by.some((key) => OF_IDENTITY.test(key)) ||
    (over !== 'reject' && fairnessNeedsIdentity(over.queue))
  );
}

/** Whether it must be known who calls to be fair to those who wait. */
export function fairnessNeedsIdentity({ fairBy = [], weights }: QueueConfig): boolean {
  return weights !== undefined || fairBy.some((key) => OF_IDENTITY.test(key));
}

/** `paramNames` are those of the route's path. */
export function compileKey(
  { by, rate, max, ipv6Prefix }: Pick<LimitConfig, 'by' | 'rate' | 'max' | 'ipv6Prefix'>,
  route: { readonly name: string; readonly service: string | null; readonly paramNames: readonly string[] },
): readonly KeyPart[] {
  const byRole = typeof max === 'object' ? max : rate !== undefined && !isRate(rate) ? rate : {};
  const ranked = Object.keys(byRole);
  return by.map((key) => partOf(key, route, ipv6Prefix, ranked));
}

function partOf(
  key: string,
  route: { readonly name: string; readonly service: string | null; readonly paramNames: readonly string[] },
  ipv6Prefix: number,
  ranked: readonly string[],
): KeyPart {
  switch (key) {
    case 'ip':
      return (hasher, x) => hasher.address(x.clientIp, ipv6Prefix);
    case 'user':
      return (hasher, x) => word(hasher, x.identity?.user);
    case 'consumer':
      return (hasher, x) => word(hasher, x.identity?.consumer);
    case 'caller':
      return (hasher, x) => {
        if (x.identity?.consumer) named(hasher, CONSUMER, x.identity.consumer);
        else if (x.identity?.user) named(hasher, USER, x.identity.user);
        else hasher.absent();
      };
    case 'apiKey':
      return (hasher, x) => word(hasher, x.identity?.keyId);
    case 'role':
      // Of several roles the one that the rates name counts, else the first.
      return (hasher, x) => {
        const roles = x.identity?.roles ?? [];
        word(hasher, ranked.find((role) => roles.includes(role)) ?? roles[0]);
      };
    case 'route':
      return (hasher) => hasher.text(route.name);
    case 'service':
      return (hasher) => word(hasher, route.service ?? undefined);
    case 'global':
      return () => {};
    default:
      return byName(key, route.paramNames);
  }
}

/** A consumer is nobody's user, even if both have one name. */
const CONSUMER = 1;
const USER = 2;

function named(hasher: KeyHasher, kind: number, name: string): void {
  hasher.number(kind);
  hasher.text(name);
}

function byName(key: string, paramNames: readonly string[]): KeyPart {
  const colon = key.indexOf(':');
  const name = key.slice(colon + 1);
  switch (key.slice(0, colon)) {
    case 'header':
      return (hasher, x) => word(hasher, x.header(name));
    case 'claim':
      return (hasher, x) => {
        const value = x.identity === null ? undefined : claimAt(x.identity.claims, name);
        word(hasher, claimWord(value));
      };
    default: {
      const at = paramNames.indexOf(name);
      return (hasher, x) => word(hasher, x.params[at]);
    }
  }
}

/** Objects as JSON: they say by themselves what they are as a text, and may say nothing that can be one. */
function claimWord(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** An empty text is a caller without one: it shares the bucket of all who lack it, and is never without a limit. */
function word(hasher: KeyHasher, value: string | undefined): void {
  if (value === undefined || value === '') hasher.absent();
  else hasher.text(value);
}
