/** The load of bench/auth: small GETs, each with a token. */
import { Launched, LOAD_CORE, launchNode } from '../proc.ts';
import { CONNECTIONS, SMALL_GET } from '../workloads.ts';
import { chooseLoad, type LoadResult } from './load.ts';
import type { Errand, TokenLoopResult } from './token-loop.ts';
import { wrk } from './wrk.ts';

const SCRIPT = new URL('./tokens.lua', import.meta.url).pathname;
/** Without wrk there is a number of requests instead of a time. */
const REQUESTS_FOR_A_SECOND = 20_000;

export interface Gateway {
  readonly url: string;
  readonly pid: number;
}

/** Each token once: see `Errand`. */
export async function spendTokens(errand: Errand): Promise<TokenLoopResult> {
  const script = new URL('./token-loop.ts', import.meta.url);
  const output = await launchNode('token loop', script, [JSON.stringify(errand)], LOAD_CORE).finished();
  return JSON.parse(output) as TokenLoopResult;
}

/** The tokens of `file` take turns, for as many requests as 64 connections carry; `null`: none are sent. */
export async function driveTokens(
  { url, pid }: Gateway,
  file: string | null,
  seconds: number,
): Promise<LoadResult> {
  const load = chooseLoad();
  if (file === null) return load.drive(url, SMALL_GET, seconds);
  if (load !== wrk) {
    const count = seconds * REQUESTS_FOR_A_SECOND;
    const result = await spendTokens({ url, pid, file, from: 0, count, rate: null, uncounted: 0 });
    return { ...result, requests: count, perSecond: count / result.seconds };
  }
  const options = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', SCRIPT, url + SMALL_GET.path];
  const output = await new Launched('wrk', ['wrk', ...options, '--', file], LOAD_CORE).finished();
  const summary = JSON.parse(output.slice(output.lastIndexOf('\n{')));
  return {
    requests: summary.requests,
    failed: summary.failed,
    perSecond: (summary.requests * 1e6) / summary.durationUs,
    p50Ms: summary.p50Us / 1000,
    p99Ms: summary.p99Us / 1000,
  };
}
