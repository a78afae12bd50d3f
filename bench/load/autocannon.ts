import { LOAD_CORE, launchNode } from '../proc.ts';
import { CONNECTIONS } from '../workloads.ts';
import type { Load } from './load.ts';

const COMMAND = new URL('../../node_modules/autocannon/autocannon.js', import.meta.url);

interface Summary {
  requests: { total: number };
  latency: { p50: number; p99: number };
  duration: number;
  errors: number;
  timeouts: number;
  non2xx: number;
}

export const autocannon: Load = {
  name: 'autocannon',
  async drive(url, workload, seconds) {
    const body = workload.requestBytes > 0 ? ['-b', 'x'.repeat(workload.requestBytes)] : [];
    const options = ['-j', '-c', String(CONNECTIONS), '-d', String(seconds), '-m', workload.method, ...body];
    const child = launchNode('autocannon', COMMAND, [...options, url + workload.path], LOAD_CORE);
    const summary = JSON.parse(await child.finished()) as Summary;
    return {
      requests: summary.requests.total,
      failed: summary.errors + summary.timeouts + summary.non2xx,
      perSecond: summary.requests.total / summary.duration,
      p50Ms: summary.latency.p50,
      p99Ms: summary.latency.p99,
    };
  },
};
