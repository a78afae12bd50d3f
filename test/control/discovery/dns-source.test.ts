/** Endpoints from the DNS, asked of a real name server that says what the test wants. */
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { DnsDiscovery } from '../../../src/config/schema/services/discovery.ts';
import { DnsSource } from '../../../src/control/discovery/dns-source.ts';
import { createLog } from '../../../src/observe/log.ts';
import type { Discovered } from '../../../src/upstream/balance/roster.ts';
import { type RunningDnsServer, startDnsServer } from '../../harness/dns-server.ts';
import { eventually } from '../../harness/eventually.ts';
import { startGateway } from '../../harness/gateway.ts';
import { startService } from '../../harness/service.ts';

let dns: RunningDnsServer;
beforeEach(async () => {
  dns = await startDnsServer();
});

/** A source on a clock of its own for `stale`; it asks again after 20 to 60 ms, whatever the records say. */
function follow(options: Partial<DnsDiscovery> = {}) {
  const lists: (readonly Discovered[])[] = [];
  const log: Record<string, unknown>[] = [];
  const clock = { now: 0 };
  const source = new DnsSource(
    'quotes',
    {
      name: 'quotes.test',
      type: 'A',
      port: 9001,
      scheme: 'http',
      minTtl: 20,
      maxTtl: 60,
      stale: 10_000,
      ...options,
    } as DnsDiscovery,
    { servers: [dns.address], timeout: 300 },
    {
      log: createLog({ write: (line) => void log.push(JSON.parse(line)) }, 'info', {}),
      publish: (_, endpoints) => lists.push(endpoints),
      now: () => clock.now,
    },
  );
  onTestFinished(() => source.close());
  const urls = () => lists.at(-1)?.map(({ url }) => url) ?? null;
  return { source, lists, log, clock, urls };
}

describe('a name with addresses', () => {
  it('gives an endpoint for each, in one order however the answer rotates', async () => {
    dns.zone['quotes.test'] = { A: ['10.0.0.2', '10.0.0.1', '10.0.0.2'] };
    const { source, lists, urls } = follow();
    await source.start();
    expect(lists.at(-1)?.[0]).toEqual({
      id: 'http://10.0.0.1:9001',
      url: 'http://10.0.0.1:9001',
      weight: 1,
      zone: '',
      priority: 0,
    });
    expect(urls()).toEqual(['http://10.0.0.1:9001', 'http://10.0.0.2:9001']);
    dns.zone['quotes.test'] = { A: ['10.0.0.1', '10.0.0.2'] };
    const asked = dns.questions.length;
    await eventually(() => dns.questions.length > asked + 1);
    expect(lists).toHaveLength(1);
  });

  it('follows what the name says, IPv6 and a hundred addresses too', async () => {
    dns.zone['quotes.test'] = { AAAA: ['fd00::1'] };
    const { source, urls } = follow({ type: 'AAAA' });
    await source.start();
    expect(urls()).toEqual(['http://[fd00::1]:9001']);
    dns.zone['quotes.test'] = {
      AAAA: Array.from({ length: 100 }, (_, i) => `fd00::${(i + 1).toString(16)}`),
    };
    await eventually(() => urls()?.length === 100);
  });

  it('takes a hundred addresses, which come over TCP', async () => {
    dns.zone['quotes.test'] = { A: Array.from({ length: 100 }, (_, i) => `10.0.0.${i + 1}`) };
    const { source, urls } = follow();
    await source.start();
    expect(urls()).toHaveLength(100);
  });
});

describe('how long an answer holds', () => {
  const askedAfter = async (ttl: number, options: Partial<DnsDiscovery>) => {
    dns.zone['quotes.test'] = { A: ['10.0.0.1'], ttl };
    const { source } = follow(options);
    await source.start();
    const startedAt = performance.now();
    await eventually(() => dns.questions.length >= 2, { everyMs: 2 });
    return performance.now() - startedAt;
  };

  it('is what the records say', async () => {
    expect(await askedAfter(1, { minTtl: 10, maxTtl: 60_000 })).toBeGreaterThan(850);
  });

  it('is no longer than maxTtl', async () => {
    expect(await askedAfter(3600, { minTtl: 10, maxTtl: 50 })).toBeLessThan(3000);
  });

  it('is no shorter than minTtl', async () => {
    expect(await askedAfter(0, { minTtl: 400, maxTtl: 500 })).toBeGreaterThan(330);
  });
});

describe('a name that cannot be resolved', () => {
  it.each(['SERVFAIL', 'REFUSED', 'silent', 'garbage'] as const)(
    'leaves the last addresses in place: %s',
    async (mode) => {
      dns.zone['quotes.test'] = { A: ['10.0.0.1'] };
      const { source, lists, log } = follow();
      await source.start();
      dns.mode = mode;
      await eventually(() => source.facts().failures >= 2, { withinMs: 10_000 });
      expect(lists).toHaveLength(1);
      expect(log).toHaveLength(1);
      expect(log[0]?.msg).toMatch(/: its last addresses stay$/);
      dns.mode = 'answer';
      dns.zone['quotes.test'] = { A: ['10.0.0.2'] };
      await eventually(() => lists.length === 2);
      expect(log.at(-1)?.msg).toBe('the name resolves again');
    },
  );

  it('leaves them for as long as `stale` says, also when the name is gone', async () => {
    dns.zone['quotes.test'] = { A: ['10.0.0.1'] };
    const { source, lists, clock, log } = follow({ stale: 10_000 });
    await source.start();
    dns.zone = {};
    clock.now = 9_999;
    await eventually(() => source.facts().failures >= 1);
    expect(lists).toHaveLength(1);
    clock.now = 20_000;
    await eventually(() => lists.length === 2);
    expect(lists.at(-1)).toEqual([]);
    expect(log.at(-1)?.msg).toBe('the name resolves to nothing: the service has no endpoints');
  });

  it('is said once, and not with each try, when there has been nothing from the start', async () => {
    const { source, lists, log } = follow();
    await source.start();
    await eventually(() => source.facts().failures >= 4);
    expect(lists).toEqual([[]]);
    expect(log).toHaveLength(1);
    expect(log[0]).toMatchObject({ level: 'error', service: 'quotes', name: 'quotes.test', nothing: true });
    dns.zone['quotes.test'] = { A: ['10.0.0.1'] };
    await eventually(() => lists.length === 2);
  });
});

describe('SRV records', () => {
  const srv = { name: '_quotes._tcp.test', type: 'SRV', port: undefined } as unknown as Partial<DnsDiscovery>;

  it('say weight, priority and port', async () => {
    dns.zone['_quotes._tcp.test'] = {
      SRV: [
        { priority: 10, weight: 60, port: 9001, target: 'a.test' },
        { priority: 20, weight: 0, port: 9002, target: 'b.test' },
        { priority: 0, weight: 1, port: 9003, target: 'gone.test' },
        { priority: 0, weight: 1, port: 9004, target: '.' },
      ],
    };
    dns.zone['a.test'] = { A: ['10.0.0.1', '10.0.0.2'] };
    dns.zone['b.test'] = { AAAA: ['fd00::1'] };
    const { source, lists } = follow(srv);
    await source.start();
    expect(lists.at(-1)?.map(({ url, weight, priority }) => [url, weight, priority])).toEqual([
      ['http://10.0.0.1:9001', 60, 10],
      ['http://10.0.0.2:9001', 60, 10],
      ['http://[fd00::1]:9002', 1, 20],
    ]);
  });

  it('have weights up to 65535, which keep their proportions', async () => {
    dns.zone['_quotes._tcp.test'] = {
      SRV: [65_535, 6553, 1].map((weight, i) => ({ weight, port: 9001 + i, target: 'a.test' })),
    };
    dns.zone['a.test'] = { A: ['10.0.0.1'] };
    const { source, lists } = follow(srv);
    await source.start();
    expect(lists.at(-1)?.map(({ weight }) => weight)).toEqual([1000, 100, 1]);
  });
});

describe('a gateway', () => {
  it('answers 503 while the name resolves to nothing, and from the instance as soon as it does', async () => {
    const service = await startService((_, response) => response.end('here'));
    const port = Number(new URL(service.url).port);
    const gateway = await startGateway({
      workers: 2,
      discovery: { dns: { servers: [dns.address] } },
      services: {
        quotes: { discover: { dns: { name: 'quotes.test', port, minTtl: '20ms', maxTtl: '50ms' } } },
      },
      routes: [{ name: 'quotes', match: { path: '/*' }, service: 'quotes' }],
    });
    const ask = async () => {
      const answer = await fetch(gateway.url, { headers: { connection: 'close' } });
      return `${answer.status} ${answer.status === 503 ? ((await answer.json()) as { code: string }).code : await answer.text()}`;
    };
    expect(await ask()).toBe('503 NO_ENDPOINT');
    dns.zone['quotes.test'] = { A: ['127.0.0.1'] };
    await eventually(async () => (await ask()) === '200 here');
    dns.mode = 'SERVFAIL';
    await gateway.logged(({ msg }) => /its last addresses stay/.test(msg));
    expect(await ask()).toBe('200 here');
  });
});
