/** What identity costs: `npm run bench -- auth`, and `npm run bench -- auth quick` for an indication. */
import { barsOf, liveTable, newTokensTable, settingOf } from './auth/findings.ts';
import { stand } from './auth/line-up.ts';
import { measureLiveTokens } from './auth/live-tokens.ts';
import { measureNewTokens, type NewTokensPlan, tokensNeeded } from './auth/new-tokens.ts';
import type { Costs } from './auth/rounds.ts';
import { sluiceJwt } from './auth/sluice.ts';
import { type Algorithm, rsaKey, secretKey, USERS, writeManyTokens, writeTokens } from './auth/tokens.ts';
import { sluice } from './contenders/sluice.ts';
import { chooseLoad } from './load/load.ts';
import { wrk } from './load/wrk.ts';
import type { Effort } from './measure.ts';
import { LOAD_CORE, launchNode, workspace } from './proc.ts';
import { barTable, saveSections } from './report.ts';

interface Plan {
  live: Effort & { warmUp: number };
  newTokens: NewTokensPlan;
}

const FULL: Plan = {
  live: { warmUp: 4, rounds: 7, measured: 3 },
  newTokens: {
    warmUp: 6_000,
    capacity: 6_000,
    share: 0.7,
    rounds: 7,
    tokensPerRound: 6_000,
  },
};
const QUICK: Plan = {
  live: { warmUp: 1, rounds: 1, measured: 1 },
  newTokens: {
    warmUp: 2_000,
    capacity: 2_000,
    share: 0.7,
    rounds: 1,
    tokensPerRound: 3_000,
  },
};

/** Measures and records; false when a bar is missed. */
export async function runAuth(quick: boolean): Promise<boolean> {
  const plan = quick ? QUICK : FULL;
  const dir = workspace();
  const secret = secretKey();
  const rsa = rsaKey(dir);
  // Before anything is measured: it takes both cores.
  const fresh = await writeManyTokens(dir, tokensNeeded(plan.newTokens));

  const service = launchNode('service', new URL('./service.ts', import.meta.url), [], LOAD_CORE);
  const { url: origin } = await service.ready();
  const plain = await stand(sluice, null, origin);
  if (plain === null) throw new Error('dist/ is missing: node .ci/prepare.mjs build');

  const live = new Map<Algorithm, Costs>();
  for (const key of [secret, rsa]) {
    const tokens = writeTokens(dir, key, USERS);
    live.set(key.algorithm, await measureLiveTokens(plain, key, tokens, origin, plan.live));
  }

  const guarded = await stand(sluiceJwt(rsa, false), rsa, origin);
  if (guarded === null) throw new Error('dist/ has gone');
  const findings = { live, fresh: await measureNewTokens(plain, guarded, fresh, plan.newTokens) };
  const bars = barsOf(findings);
  await Promise.all([plain, guarded, service].map((running) => running.stop()));

  saveSections({
    Identity: [
      settingOf(chooseLoad() === wrk ? wrk.name : 'token-loop.ts (wrk is missing here)', quick, plan.live),
      barTable(bars),
      ...[...live.values()].map(liveTable),
      newTokensTable(findings.fresh),
    ].join('\n\n'),
  });
  return bars.every(({ measured, met }) => measured === null || met);
}
