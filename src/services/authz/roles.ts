/**
 * Roles → permissions. A permission has parts between colons: `orders:read`. In what a role gives, `*` stands for one
 * part, at the end for all that follow, one at least; a leading `!` denies, whatever other roles allow.
 */

/** What is wrong with a pattern of a role, or null. */
export function patternFault(pattern: string): string | null {
  return partsFault(pattern.startsWith('!') ? pattern.slice(1) : pattern, true);
}

/** What is wrong with a permission that a route demands, or null. */
export function permissionFault(permission: string): string | null {
  return partsFault(permission, false);
}

function partsFault(text: string, isPattern: boolean): string | null {
  if (text === '') return 'a permission is not empty';
  if (/\s/.test(text)) return `"${text}" has white space in it`;
  if (text.includes('!')) return isPattern ? '"!" comes first, and once' : 'only roles deny, with "!"';
  for (const part of text.split(':')) {
    if (part === '') return `"${text}" has an empty part between its colons`;
    if (part.includes('*') && !isPattern) return `"${text}" is not one permission: only roles have "*"`;
    if (part.includes('*') && part !== '*') return `"*" is a whole part: "${part}" is not`;
  }
  return null;
}

/** Permissions that are demanded together, ready to be decided. */
export interface PermissionDemand {
  /** Whether roles give all of them. One look at a map for each role decides. */
  allows(roles: readonly string[]): boolean;
  /** Those that they do not give. */
  missing(roles: readonly string[]): string[];
}

/** What one role says to the permissions of a demand, those with something to say only. */
interface Verdicts {
  /** 1 allows, -1 denies, 0 says nothing: in the order of the permissions. */
  readonly each: Int8Array;
  readonly denies: boolean;
  /** A bit for each permission that it allows. */
  readonly allowed: Int32Array;
}

interface Pattern {
  readonly denies: boolean;
  readonly parts: readonly string[];
}

export class RoleTable {
  readonly #roles: ReadonlyMap<string, readonly Pattern[]>;

  /** `auth.roles`, whose patterns have been checked. */
  constructor(roles: Readonly<Record<string, readonly string[]>>) {
    this.#roles = new Map(Object.entries(roles).map(([role, patterns]) => [role, patterns.map(patternOf)]));
  }

  /** Whether a caller with these roles has the permission. Compiles: for the request path there is `demand`. */
  allows(roles: readonly string[], permission: string): boolean {
    return this.demand([permission]).allows(roles);
  }

  demand(permissions: readonly string[]): PermissionDemand {
    const verdicts = this.#verdictsOn(permissions);
    const words = Math.ceil(permissions.length / 32);
    const whole = bitsOf(permissions.map(() => 1));
    // Decisions are synchronous: they can share it.
    const sofar = new Int32Array(words);
    return {
      allows(roles) {
        sofar.fill(0);
        for (let i = 0; i < roles.length; i++) {
          const said = verdicts.get(roles[i]);
          if (said === undefined) continue;
          if (said.denies) return false;
          for (let word = 0; word < words; word++) sofar[word] |= said.allowed[word];
        }
        for (let word = 0; word < words; word++) if (sofar[word] !== whole[word]) return false;
        return true;
      },
      missing(roles) {
        const said = roles.flatMap((role) => verdicts.get(role)?.each ?? []);
        return permissions.filter(
          (_, i) => said.some((each) => each[i] < 0) || !said.some((each) => each[i] > 0),
        );
      },
    };
  }

  #verdictsOn(permissions: readonly string[]): ReadonlyMap<string, Verdicts> {
    const demanded = permissions.map((permission) => permission.split(':'));
    const verdicts = new Map<string, Verdicts>();
    for (const [role, patterns] of this.#roles) {
      const each = Int8Array.from(demanded, (permission) => verdictOf(patterns, permission));
      if (!each.some((verdict) => verdict !== 0)) continue;
      verdicts.set(role, { each, denies: each.includes(-1), allowed: bitsOf(each) });
    }
    return verdicts;
  }
}

function verdictOf(patterns: readonly Pattern[], permission: readonly string[]): number {
  const fitting = patterns.filter(({ parts }) => fits(parts, permission));
  if (fitting.length === 0) return 0;
  return fitting.some(({ denies }) => denies) ? -1 : 1;
}

/** A bit for each verdict that allows. */
function bitsOf(verdicts: ArrayLike<number>): Int32Array {
  const bits = new Int32Array(Math.ceil(verdicts.length / 32));
  for (let i = 0; i < verdicts.length; i++) if (verdicts[i] > 0) bits[i >> 5] |= 1 << (i & 31);
  return bits;
}

function patternOf(text: string): Pattern {
  const denies = text.startsWith('!');
  return { denies, parts: (denies ? text.slice(1) : text).split(':') };
}

function fits(pattern: readonly string[], permission: readonly string[]): boolean {
  const last = pattern.length - 1;
  const open = pattern[last] === '*';
  if (open ? permission.length <= last : permission.length !== pattern.length) return false;
  for (let i = 0; i <= last; i++) {
    if (i === last && open) return true;
    if (pattern[i] !== '*' && pattern[i] !== permission[i]) return false;
  }
  return true;
}
