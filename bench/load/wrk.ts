import { Launched, LOAD_CORE } from '../proc.ts';
import { CONNECTIONS } from '../workloads.ts';
import type { Load } from './load.ts';

const SCRIPT = new URL('./wrk.lua', import.meta.url).pathname;

interface Summary {
  requests: number;
  failed: number;
  durationUs: number;
  p50Us: number;
  p99Us: number;
}

export const wrk: Load = {
  name: 'wrk',
  async drive(url, workload, seconds) {
    const options = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', SCRIPT, url + workload.path];
    const script = ['--', workload.method, String(workload.requestBytes)];
    const output = await new Launched('wrk', ['wrk', ...options, ...script], LOAD_CORE).finished();
    const summary = JSON.parse(output.slice(output.lastIndexOf('\n{'))) as Summary;
    return {
      requests: summary.requests,
      failed: summary.failed,
      perSecond: (summary.requests * 1e6) / summary.durationUs,
      p50Ms: summary.p50Us / 1000,
      p99Ms: summary.p99Us / 1000,
    };
  },
};
