/** RS256 with a new token in each request: what verification off the request path costs the worker, and the requests. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TokenLoopResult } from '../load/token-loop.ts';
import { type Gateway, spendTokens } from '../load/tokens.ts';
import { median } from '../statistics.ts';
import type { ThreadTimes } from './threads.ts';

export interface NewTokensPlan {
  /** Tokens spent before anything counts, so that what is measured is compiled. */
  warmUp: number;
  /** Tokens spent by connections that always ask: how many the pool keeps up with. */
  capacity: number;
  /** As a share of that. */
  share: number;
  rounds: number;
  tokensPerRound: number;
}

/** The client's last stall comes after about 1.1 s. */
const WARM_UP_SECONDS = 1.5;
/** Reports and collections that a round has set off do not fall into the next. */
const SETTLE_MS = 200;

/** Of each request: CPU microseconds by kind of thread, and what it waited. */
export interface Spending extends ThreadTimes {
  p50Ms: number;
  p99Ms: number;
}

export interface NewTokensResult {
  /** Requests per second, the same for both. */
  rate: number;
  /** What 64 connections carried that always ask. */
  capacity: number;
  plain: Spending;
  guarded: Spending;
}

export const tokensNeeded = ({ warmUp, capacity, rounds, tokensPerRound }: NewTokensPlan): number =>
  warmUp + capacity + rounds * tokensPerRound;

/** Both get the same requests at the same rate; only `guarded` looks at the tokens. `file` holds `tokensNeeded`. */
export async function measureNewTokens(
  plain: Gateway,
  guarded: Gateway,
  file: string,
  plan: NewTokensPlan,
): Promise<NewTokensResult> {
  const spend = async (gateway: Gateway, from: number, count: number, rate: number | null, uncounted = 0) => {
    await sleep(SETTLE_MS);
    const result = await spendTokens({ ...gateway, file, from, count, rate, uncounted });
    if (result.failed > 0) throw new Error(`${result.failed} of ${uncounted + count} requests failed`);
    return result;
  };
  for (const gateway of [plain, guarded]) await spend(gateway, 0, plan.warmUp, null);
  let from = plan.warmUp;
  const { seconds } = await spend(guarded, from, plan.capacity, null);
  from += plan.capacity;
  const capacity = plan.capacity / seconds;
  const rate = Math.floor((capacity * plan.share) / 100) * 100;
  const uncounted = Math.round(rate * WARM_UP_SECONDS);

  const rounds = { plain: [] as Spending[], guarded: [] as Spending[] };
  for (let round = 0; round < plan.rounds; round++) {
    for (const [name, gateway] of [['plain', plain] as const, ['guarded', guarded] as const]) {
      const spending = each(await spend(gateway, from, plan.tokensPerRound, rate, uncounted), plan);
      rounds[name].push(spending);
      console.log(
        `new tokens, round ${round + 1}: ${name} at ${rate}/s, worker ${spending.main.toFixed(1)} us, ` +
          `verification ${spending.verification.toFixed(1)} us each, p99 ${spending.p99Ms.toFixed(1)} ms`,
      );
    }
    from += plan.tokensPerRound;
  }
  return { rate, capacity, plain: medians(rounds.plain), guarded: medians(rounds.guarded) };
}

function each({ spent, p50Ms, p99Ms }: TokenLoopResult, { tokensPerRound }: NewTokensPlan): Spending {
  return {
    main: spent.main / tokensPerRound,
    verification: spent.verification / tokensPerRound,
    rest: spent.rest / tokensPerRound,
    p50Ms,
    p99Ms,
  };
}

function medians(rounds: readonly Spending[]): Spending {
  const of = (key: keyof Spending): number => median(rounds.map((round) => round[key]));
  return {
    main: of('main'),
    verification: of('verification'),
    rest: of('rest'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
  };
}
