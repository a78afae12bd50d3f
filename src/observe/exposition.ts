import { setImmediate as nextTurn } from 'node:timers/promises';
import { accessFamilies } from './access-families.js';
import { channelMachineFamilies } from './families/channel-machines.js';
import { channelFamilies } from './families/channels.js';
import { discoveryFamilies } from './families/discovery.js';
import { endpointFamilies } from './families/endpoints.js';
import { overloadFamilies } from './families/overload.js';
import { socketFamilies } from './families/sockets.js';
import type { Family, GatewayFacts, Labels, Sample } from './family.js';
import { healthFamilies } from './health/families.js';
import { syncFamilies } from './limits/sync-families.js';
import { waitFamilies } from './limits/waits.js';
import { METHODS, PHASES, SLOTS, STATUS_CLASSES } from './metrics.js';
import { resilienceFamilies } from './resilience/families.js';
import type { RouteTotals, WorkerGauges } from './totals.js';

/** Upper bounds of the duration histogram's buckets, in seconds. */
export const DURATION_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;
const BUCKETS_US = DURATION_BUCKETS.map((seconds) => seconds * 1e6);
const BUCKET_LABELS = DURATION_BUCKETS.map(String);

/** Every metric there is. The order is that of the page. */
export const families: readonly Family[] = [
  {
    name: 'sluice_requests_total',
    type: 'counter',
    help: 'Exchanges that ended, by route, method and class of the status. Route "-": no route matched.',
    labels: ['route', 'method', 'status_class'],
    *samples({ totals }) {
      for (const { name: route, counters } of totals.routes()) {
        for (let i = 0; i < SLOTS.bytesIn; i++) {
          const value = counters[i]!;
          if (value === 0) continue;
          const method = METHODS[Math.floor(i / STATUS_CLASSES.length)]!;
          yield {
            labels: { route, method, status_class: STATUS_CLASSES[i % STATUS_CLASSES.length]! },
            value,
          };
        }
      }
    },
  },
  {
    name: 'sluice_request_duration_seconds',
    type: 'histogram',
    help: 'Duration of exchanges in seconds: in total, the part the service took (upstream), and the rest (gateway).',
    labels: ['route', 'phase', 'le'],
    *samples({ totals }) {
      for (const route of totals.routes()) yield* durations(route);
    },
  },
  {
    name: 'sluice_requests_in_flight',
    type: 'gauge',
    help: 'Exchanges under way, by route.',
    labels: ['route'],
    *samples({ totals }) {
      for (const route of totals.routes()) yield { labels: { route: route.name }, value: route.inFlight };
    },
  },
  {
    name: 'sluice_failures_total',
    type: 'counter',
    help: 'Exchanges that ended with an answer of the gateway or a cut, by route, code and who is to blame.',
    labels: ['route', 'code', 'blame'],
    *samples({ totals }) {
      for (const { name: route, failures } of totals.routes()) {
        for (const { code, blame, count } of failures.values())
          yield { labels: { route, code, blame }, value: count };
      }
    },
  },
  {
    name: 'sluice_bytes_total',
    type: 'counter',
    help: 'Body bytes of requests (in) and answers (out), by route.',
    labels: ['route', 'direction'],
    *samples({ totals }) {
      for (const { name: route, counters } of totals.routes()) {
        yield { labels: { route, direction: 'in' }, value: counters[SLOTS.bytesIn]! };
        yield { labels: { route, direction: 'out' }, value: counters[SLOTS.bytesOut]! };
      }
    },
  },
  {
    name: 'sluice_upstream_attempts_total',
    type: 'counter',
    help: 'Requests sent to endpoints, repetitions included, by route.',
    labels: ['route'],
    *samples({ totals }) {
      for (const { name: route, counters } of totals.routes()) {
        yield { labels: { route }, value: counters[SLOTS.attempts]! };
      }
    },
  },
  ...resilienceFamilies,
  ...endpointFamilies,
  ...healthFamilies,
  ...accessFamilies,
  ...discoveryFamilies,
  ...socketFamilies,
  ...channelFamilies,
  ...channelMachineFamilies,
  ...waitFamilies,
  ...overloadFamilies,
  ...syncFamilies,
  perWorker('sluice_connections', 'Open client connections, by worker.', (w) => w.connections),
  {
    name: 'sluice_worker_event_loop_delay_seconds',
    type: 'gauge',
    help: 'How late timers fired in the last 15 to 30 seconds, by worker; quantile 1 is the maximum.',
    labels: ['worker', 'quantile'],
    *samples({ totals }) {
      for (const [worker, { eventLoopDelayMs: delay }] of totals.workers) {
        yield { labels: { worker, quantile: '0.5' }, value: delay.p50 / 1000 };
        yield { labels: { worker, quantile: '0.99' }, value: delay.p99 / 1000 };
        yield { labels: { worker, quantile: '1' }, value: delay.max / 1000 };
      }
    },
  },
  perWorker('sluice_worker_resident_bytes', 'Resident memory of the worker process.', (w) => w.residentBytes),
  perWorker('sluice_worker_heap_used_bytes', 'JavaScript heap in use in the worker.', (w) => w.heapUsedBytes),
  perWorker(
    'sluice_config_generation',
    'Generation of the configuration the worker runs.',
    (w) => w.generation,
  ),
  perWorker(
    'sluice_log_lines_dropped_total',
    'Log lines lost because standard output was read too slowly or not at all, since the worker began.',
    (w) => w.droppedLogLines,
    'counter',
  ),
  {
    name: 'sluice_worker_restarts_total',
    type: 'counter',
    help: 'Workers replaced because they died.',
    labels: [],
    *samples(facts) {
      yield { labels: {}, value: facts.restarts() };
    },
  },
  {
    name: 'sluice_config_reloads_total',
    type: 'counter',
    help: 'Reloads by result: ok, refused (the file has mistakes, or every worker refused it), failed (no worker took it in time), partial (some workers did not follow).',
    labels: ['result'],
    *samples({ reloads }) {
      for (const [result, value] of Object.entries(reloads)) yield { labels: { result }, value };
    },
  },
  {
    name: 'sluice_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say which Sluice and which Node run.',
    labels: ['version', 'node'],
    *samples({ version }) {
      yield { labels: { version, node: process.version }, value: 1 };
    },
  },
];

const LINES_WITHOUT_PAUSE = 1000;

/** Media type of `exposition`: the Prometheus text format. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * All metrics in the Prometheus text format. A thousand busy routes are 60,000 lines and 100 ms: with one worker clients
 * are served in the same process, so it pauses for them after every other millisecond.
 */
export async function exposition(facts: GatewayFacts): Promise<string> {
  const lines: string[] = [];
  let pauseAt = LINES_WITHOUT_PAUSE;
  for (const family of families) {
    const { name, type, help } = family;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { suffix = '', labels, value } of family.samples(facts)) {
      lines.push(`${name}${suffix}${formatLabels(labels)} ${value}`);
      if (lines.length < pauseAt || suffix === '_bucket' || suffix === '_sum') continue; // a histogram is of one moment
      await nextTurn();
      pauseAt = lines.length + LINES_WITHOUT_PAUSE;
    }
  }
  return `${lines.join('\n')}\n`;
}

function formatLabels(labels: Labels): string {
  let members = '';
  for (const name in labels) members += `${members === '' ? '' : ','}${name}="${escapeValue(labels[name]!)}"`;
  return members === '' ? '' : `{${members}}`;
}

/** What the format asks to escape in a label's value. */
function escapeValue(value: string | number): string {
  const text = String(value);
  return /[\\"\n]/.test(text)
    ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : text;
}

function perWorker(
  name: string,
  help: string,
  value: (worker: WorkerGauges) => number,
  type: Family['type'] = 'gauge',
): Family {
  return {
    name,
    type,
    help,
    labels: ['worker'],
    *samples({ totals }) {
      for (const [worker, gauges] of totals.workers) yield { labels: { worker }, value: value(gauges) };
    },
  };
}

const SUMS_MS = [SLOTS.totalMs, SLOTS.gatewayMs, SLOTS.upstreamMs] as const;

function* durations(totals: RouteTotals): Iterable<Sample> {
  for (let i = 0; i < PHASES.length; i++) {
    const labels = { route: totals.name, phase: PHASES[i]! };
    const latencies = totals.latencies[i]!;
    const count = latencies.totalCount;
    if (count === 0) continue;
    const below = latencies.cumulative(BUCKETS_US);
    for (let b = 0; b < below.length; b++) {
      yield { suffix: '_bucket', labels: { ...labels, le: BUCKET_LABELS[b]! }, value: below[b]! };
    }
    yield { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count };
    const sum = totals.counters[SUMS_MS[i]!]! / 1000;
    yield { suffix: '_sum', labels, value: sum };
    yield { suffix: '_count', labels, value: count };
  }
}
