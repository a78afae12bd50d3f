import { probe } from '../proc.ts';
import type { Workload } from '../workloads.ts';
import { autocannon } from './autocannon.ts';
import { wrk } from './wrk.ts';

/** Drives as many requests as 64 keep-alive connections carry. */
export interface Load {
  readonly name: string;
  drive(url: string, workload: Workload, seconds: number): Promise<LoadResult>;
}

export interface LoadResult {
  requests: number;
  /** Answers that were not 2xx, and requests without an answer. */
  failed: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** `wrk` when it is installed, since it leaves more of the core to the service; `autocannon` otherwise. */
export function chooseLoad(): Load {
  return probe('wrk', '-v') === null ? autocannon : wrk;
}
