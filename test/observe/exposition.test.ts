import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SERVICE_BUSY } from '../../src/errors.ts';
import { exposition, families } from '../../src/observe/exposition.ts';
import type { GatewayFacts } from '../../src/observe/family.ts';
import type { BreakerView, EndpointView, ServiceView } from '../../src/observe/health/view.ts';
import { SyncCounts } from '../../src/observe/limits/sync-counts.ts';
import { WorkerMetrics } from '../../src/observe/metrics.ts';
import { Totals } from '../../src/observe/totals.ts';
import { PolicyCounts } from '../../src/websocket/policy-counts.ts';

const SAMPLE = /^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\d+(?:\.\d+)?(?:e[+-]\d+)?)$/;

describe('the text', () => {
  test('is what Prometheus reads: each family with its help, type and samples', async () => {
    const text = await exposition(busyGateway());
    expect(text.endsWith('\n')).toBe(true);
    let family = '';
    for (const line of text.trimEnd().split('\n')) {
      const help = /^# HELP (\S+) \S/.exec(line);
      if (help !== null) family = help[1]!;
      else if (line.startsWith('# '))
        expect(line).toMatch(new RegExp(`^# TYPE ${family} (counter|gauge|histogram)$`));
      else expect(SAMPLE.exec(line)?.[1], line).toMatch(new RegExp(`^${family}(_bucket|_sum|_count)?$`));
    }
  });

  test('has no series twice, and on each the labels its family declares', async () => {
    const lines = (await exposition(busyGateway()))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const series = lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(new Set(series).size).toBe(series.length);
    for (const { name, labels, samples } of families) {
      const seen = [...samples(busyGateway())];
      expect(seen.length, name).toBeGreaterThan(0);
      for (const { labels: given, suffix } of seen) {
        const declared =
          suffix === '_sum' || suffix === '_count' ? labels.filter((label) => label !== 'le') : labels;
        expect(Object.keys(given), name).toEqual(declared);
      }
    }
  });

  test('has buckets that only grow, the last one equal to the count', async () => {
    const lines = (await exposition(busyGateway())).split('\n');
    const start = 'sluice_request_duration_seconds_bucket{route="busy",phase="total",';
    const buckets = lines
      .filter((line) => line.startsWith(start))
      .map((line) => Number(line.split(' ').at(-1)));
    expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
    expect(buckets[0]).toBe(0);
    expect(buckets.at(-1)).toBe(2);
    expect(lines).toContain('sluice_request_duration_seconds_count{route="busy",phase="total"} 2');
    expect(lines).toContain('sluice_request_duration_seconds_sum{route="busy",phase="total"} 0.012');
  });

  test('escapes label values', async () => {
    const facts = { ...busyGateway(), version: 'a"b\\c\nd' };
    expect(await exposition(facts)).toContain('version="a\\"b\\\\c\\nd"');
  });
});

test('docs/metrics.md has a row for each metric, word for word, and for nothing else', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const implemented = families.map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  expect(documented).toEqual(implemented);
});

function busyGateway(): GatewayFacts {
  const totals = new Totals(() => 0);
  const metrics = new WorkerMetrics();
  const route = metrics.route('busy');
  for (const [status, totalMs, failure] of [
    [200, 4, null],
    [503, 8, SERVICE_BUSY],
  ] as const) {
    route.begin();
    route.done('GET', status, totalMs, 2, 1, 1, failure, 1);
  }
  const spared = metrics.resilience.service('quotes');
  spared.retry(0, 0);
  spared.hedge(0);
  spared.rejected(0);
  spared.bulkhead = { inFlight: 2, waiting: 1, limit: 3 };
  metrics.resilience.fallback('busy', 'static').count++;
  totals.merge(1, {
    routes: metrics.flush(),
    connections: 3,
    inFlight: 0,
    generation: 1,
    residentBytes: 1e8,
    heapUsedBytes: 1e7,
    droppedLogLines: 0,
    resilience: metrics.resilience.flush(),
    providers: new Map([['players', { accepted: 2, refused: { expired: 1 }, cacheHits: 1, cacheMisses: 2 }]]),
    decisions: new Map([['policy', { allowed: 1, denied: 0, failed: 0, cacheHits: 2, lastFailure: '' }]]),
    channels: {
      sockets: 2,
      streams: 1,
      subscriptions: 3,
      channels: 1,
      delivered: 9,
      behind: 1,
      caughtUp: 1,
      gaps: 0,
      recovered: 2,
      notRecovered: 1,
    },
    sockets: {
      open: 2,
      opened: 3,
      messagesIn: 5,
      messagesOut: 8,
      closed: { 1000: 1 },
      policies: new Map([
        ['game', Object.assign(new PolicyCounts(), { conflated: 3, pausing: 1, unfit: 2, delayed: 1 })],
      ]),
      waiting: { client: 10, service: 20 },
      handshakes: new Map([['accepted 101', 2]]),
      hops: {
        in: { times: Uint32Array.of(20, 3, 900, 1), sumMs: 0.96 },
        out: { times: Uint32Array.of(), sumMs: 0 },
      },
    },
    limits: new Map([['perUser', { admitted: 3, refused: 1, shadowed: 0, noRoom: 0 }]]),
    waits: new Map([
      [
        'perUser',
        {
          waiting: 2,
          entered: 5,
          admitted: 1,
          refused: 0,
          left: 1,
          expired: 1,
          full: 0,
          waitedMs: 1_500,
          classes: [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0],
        },
      ],
    ]),
    adaptive: new Map([['unusual', { throttled: 1, kept: 0, released: 1 }]]),
    overload: {
      pressure: { inFlight: 0.5 },
      refusing: { critical: 0, normal: 0, background: 0.25 },
      shed: Float64Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0),
    },
    quotas: [],
    keysUsed: new Map(),
    sessionsSeen: [],
    eventLoopDelayMs: { p50: 0, p99: 1, max: 10 },
  });
  return {
    version: '1.2.3',
    totals,
    restarts: () => 0,
    discovery: () => [
      { service: 'quotes', source: 'registry', endpoints: 3, skipped: 1, ageS: 0.5, failures: 2 },
      { service: 'auth', source: 'env', endpoints: 2, skipped: 0, ageS: null, failures: 0 },
    ],
    keyAges: () => new Map([['players', 12]]),
    idempotency: () => ({ counts: () => new Map([['replayed', 4]]) }),
    quotas: () => ({ thresholds: { counts: new Map([['daily', 1]]) } }),
    endpoints: () => [{ service: 'quotes', endpoint: 'http://a', sent: 5, inFlight: 1 }],
    services: () => [service()],
    channels: () => ({
      counts: () => ({ published: 3, refused: 1, broadcasts: 2 }),
      logCounts: () => ({
        redis: { connected: true, healed: 2, gaps: 1, failures: 3 },
        publications: { taken: 5, refused: 1, leads: true },
        sources: { wanted: 2, connected: 1, opened: 3, lost: 2, messages: 40 },
      }),
    }),
    limitSync: () => new SyncCounts(),
    reloads: { ok: 1, refused: 0, failed: 0, partial: 0 },
  };
}

/** One endpoint up, one down; a breaker each. */
function service(): ServiceView {
  const breaker: BreakerView = {
    state: 'half-open',
    sinceMs: 10,
    retryInMs: 0,
    calls: 0,
    failed: 0,
    slow: 0,
    changes: { closed: 0, open: 2, 'half-open': 2, recovering: 0 },
  };
  const endpoint: EndpointView = {
    id: 'http://a',
    url: 'http://a',
    state: 'available',
    reasons: [],
    weight: 1,
    zone: '',
    priority: 0,
    inFlight: 0,
    latencyMs: null,
    probe: { state: 'healthy', passed: 3, failed: 1, last: null },
    passive: { state: 'trusted', ejections: 1, cause: null, returnsInMs: 0 },
    breaker,
  };
  return { name: 'quotes', status: 'warn', available: 1, breaker, endpoints: [endpoint] };
}
