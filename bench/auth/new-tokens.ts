/** RS256 with a new token in each request: what verification off the request path costs the worker, and the requests. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TokenLoopResult } from '../load/token-loop.ts';
import { type Gateway, spendTokens } from '../load/tokens.ts';
import { median } from '../statistics.ts';
import type { ThreadTimes } from './threads.ts';

export interface NewTokensPlan {
  /** Tokens spent before anything counts, so that what is measured is compiled. */
  warmUp: number;
  rounds: number;
  tokensPerRound: number;
  /** Requests, with tokens used before, that come first in each round: the client is compiled, too. */
  uncounted: number;
  openLoop: {
    seconds: number;
    /** As a share of what 64 connections carried that always ask. */
    share: number;
  };
}

/** Bounds how many tokens are signed. */
const MAX_RATE = 12_000;
/** In an open loop the client's last stall comes after about 1.1 s. */
const OPEN_LOOP_WARM_UP_SECONDS = 1.5;
/** Reports and collections that a round has set off do not fall into the next. */
const SETTLE_MS = 200;

/** Of each request: CPU microseconds by kind of thread. */
export interface Spending extends ThreadTimes {
  perSecond: number;
}

export interface NewTokensResult {
  plain: Spending;
  guarded: Spending;
  openLoop: TokenLoopResult & { rate: number };
}

export const tokensNeeded = ({ warmUp, rounds, tokensPerRound, openLoop }: NewTokensPlan): number =>
  warmUp + rounds * tokensPerRound + openLoop.seconds * MAX_RATE;

async function spend(
  { url, pid }: Gateway,
  file: string,
  from: number,
  count: number,
  uncounted: number,
): Promise<Spending> {
  await sleep(SETTLE_MS);
  const { failed, seconds, spent } = await spendTokens({
    url,
    pid,
    file,
    from,
    count,
    rate: null,
    uncounted,
  });
  if (failed > 0)
    throw new Error(`${failed} of ${uncounted + count} requests failed, those with new tokens or before`);
  return {
    main: spent.main / count,
    verification: spent.verification / count,
    rest: spent.rest / count,
    perSecond: count / seconds,
  };
}

function medians(rounds: readonly Spending[]): Spending {
  const of = (key: keyof Spending): number => median(rounds.map((round) => round[key]));
  return { main: of('main'), verification: of('verification'), rest: of('rest'), perSecond: of('perSecond') };
}

/** Both get the same requests; only `guarded` looks at the tokens. `file` holds `tokensNeeded`. */
export async function measureNewTokens(
  plain: Gateway,
  guarded: Gateway,
  file: string,
  plan: NewTokensPlan,
): Promise<NewTokensResult> {
  for (const gateway of [plain, guarded]) await spend(gateway, file, 0, plan.warmUp, 0);
  let from = plan.warmUp;
  const rounds = { plain: [] as Spending[], guarded: [] as Spending[] };
  for (let round = 0; round < plan.rounds; round++) {
    for (const [name, gateway] of [['plain', plain] as const, ['guarded', guarded] as const]) {
      const spending = await spend(gateway, file, from, plan.tokensPerRound, plan.uncounted);
      rounds[name].push(spending);
      console.log(
        `new tokens, round ${round + 1}: ${name} ${Math.round(spending.perSecond)}/s, ` +
          `worker ${spending.main.toFixed(1)} us, verification ${spending.verification.toFixed(1)} us each`,
      );
    }
    from += plan.tokensPerRound;
  }
  const spent = { plain: medians(rounds.plain), guarded: medians(rounds.guarded) };

  const rate = Math.min(Math.floor((spent.guarded.perSecond * plan.openLoop.share) / 100) * 100, MAX_RATE);
  const openLoop = await spendTokens({
    url: guarded.url,
    pid: guarded.pid,
    file,
    from,
    count: Math.round(rate * plan.openLoop.seconds),
    rate,
    uncounted: Math.round(rate * OPEN_LOOP_WARM_UP_SECONDS),
  });
  return { ...spent, openLoop: { ...openLoop, rate } };
}
