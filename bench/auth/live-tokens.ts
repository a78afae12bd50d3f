/** 1,000 callers with a live token each, asking again and again: Sluice remembers the tokens, HAProxy verifies each time. */
import { haproxyJwt } from '../contenders/haproxy-jwt.ts';
import type { Effort } from '../measure.ts';
import { stand } from './line-up.ts';
import { type Costs, type Entry, measureEntries, type Part, warmUpEntries } from './rounds.ts';
import { PER_USER_LIMIT, sluiceJwt } from './sluice.ts';
import type { SigningKey } from './tokens.ts';

/** `plain` is Sluice without a door, `tokens` a file of live tokens of `key`. */
export async function measureLiveTokens(
  plain: Entry['standing'],
  key: SigningKey,
  tokens: string,
  origin: string,
  effort: Effort & { warmUp: number },
): Promise<Costs> {
  const guards = [
    { part: 'guarded', contender: sluiceJwt(key, PER_USER_LIMIT) },
    { part: 'guarded without limit', contender: sluiceJwt(key, false) },
    { part: 'peer', contender: haproxyJwt(key, true) },
    // As long as we have no limit, like is compared with like, too.
    ...(PER_USER_LIMIT ? [] : [{ part: 'peer without limit', contender: haproxyJwt(key, false) } as const]),
  ] as const;
  const entries: Entry[] = [
    { part: 'no token', name: 'Sluice, no token sent', standing: plain, tokens: null },
    { part: 'plain', name: `Sluice, ${key.algorithm} not looked at`, standing: plain, tokens },
  ];
  for (const { part, contender } of guards) {
    const standing = await stand(contender, key, origin);
    if (standing !== null)
      entries.push({ part: part satisfies Part, name: contender.name, standing, tokens });
  }
  await warmUpEntries(entries, effort.warmUp);
  const costs = await measureEntries(entries, effort);
  for (const { standing } of entries) if (standing !== plain) await standing.stop();
  return costs;
}
