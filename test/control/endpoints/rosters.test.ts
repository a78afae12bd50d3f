import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/schema.ts';
import { drainEndpoint } from '../../../src/control/endpoints/drain.ts';
import { Rosters } from '../../../src/control/endpoints/rosters.ts';
import { Slots } from '../../../src/control/endpoints/slots.ts';
import { createLog } from '../../../src/observe/log.ts';
import { EndpointTable, endpointTableBytes, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import { createInProcess } from '../../../src/shared/segment.ts';
import type { Discovered, Roster } from '../../../src/upstream/balance/roster.ts';

function tableOf(workers: number, worker = 0) {
  const segment = createInProcess({ endpoints: endpointTableBytes(workers) });
  return new EndpointTable(segment.region('endpoints'), worker);
}

function configOf(services: Record<string, string[]>): Config {
  const named = Object.entries(services).map(([name, urls]) => [
    name,
    { endpoints: urls.map((url) => ({ url, weight: 1 })) },
  ]);
  return { services: Object.fromEntries(named) } as Config;
}

function setUp() {
  const changes: Roster[] = [];
  const table = tableOf(1);
  const log = createLog({ write: () => {} }, 'info', {});
  const rosters = new Rosters({ table, log, onChange: (roster) => changes.push(roster) });
  return { rosters, changes, table };
}

const found = (url: string): Discovered => ({ id: url, url, weight: 2, zone: 'a', priority: 0 });

describe('rosters', () => {
  it('begin with the endpoints of the file', () => {
    const { rosters } = setUp();
    const [roster] = rosters.of(configOf({ quotes: ['http://a', 'http://b'] }));
    expect(roster).toMatchObject({ service: 'quotes', slot: 0 });
    expect(roster?.entries.map(({ url, slot }) => [url, slot])).toEqual([
      ['http://a', 0],
      ['http://b', 1],
    ]);
  });

  it('give an endpoint the same slot over reloads, and its state stays', () => {
    const { rosters, table } = setUp();
    const before = configOf({ quotes: ['http://a', 'http://b'] });
    rosters.of(before);
    rosters.adopt(before);
    table.mark(1, UNHEALTHY, true);
    const after = configOf({ other: ['http://b'], quotes: ['http://b', 'http://c'] });
    const slots = rosters.of(after).map(({ entries }) => entries.map(({ slot }) => slot));
    expect(slots).toEqual([[2], [1, 3]]);
    expect(table.isAvailable(1)).toBe(false);
  });

  it('take what sources find, tell it, and grow in version', () => {
    const { rosters, changes } = setUp();
    const config = configOf({ quotes: [] });
    const [first] = rosters.of(config);
    rosters.adopt(config);
    rosters.set('quotes', [found('http://x')]);
    expect(changes).toHaveLength(1);
    expect(changes[0]?.version).toBeGreaterThan(first?.version ?? 0);
    expect(changes[0]?.entries).toEqual([{ ...found('http://x'), slot: 0 }]);
    expect(rosters.of(config)[0]?.entries).toHaveLength(1);
  });

  it('start those slowly that join others, by a reload or by discovery, but not the first ones', () => {
    const { rosters, table } = setUp();
    const sinceStart = (index: number) => table.sinceStart(index);
    const before = configOf({ quotes: ['http://a'], found: [] });
    rosters.of(before);
    rosters.adopt(before);
    rosters.set('found', [found('http://x')]);
    expect([0, 1].map(sinceStart)).toEqual([Infinity, Infinity]);
    rosters.set('found', [found('http://x'), found('http://y')]);
    rosters.of(configOf({ quotes: ['http://a', 'http://b'], found: [], other: ['http://c'] }));
    expect([0, 1].map(sinceStart)).toEqual([Infinity, Infinity]);
    for (const slot of [2, 3]) expect(sinceStart(slot)).toBeLessThan(60_000);
    expect(sinceStart(4)).toBe(Infinity);
  });

  it('begin anew when a service has gone and is back', () => {
    const { rosters, table } = setUp();
    for (const config of [
      configOf({ quotes: ['http://a'] }),
      configOf({}),
      configOf({ quotes: ['http://b'] }),
    ]) {
      rosters.of(config);
      rosters.adopt(config);
    }
    const [entry] = rosters.entriesOf('quotes')!;
    expect(entry?.url).toBe('http://b');
    expect(table.sinceStart(entry!.slot)).toBe(Infinity);
    expect(rosters.entriesOf('nobody')).toBeNull();
  });

  it('ignore what is found for a service nobody has configured', () => {
    const { rosters, changes } = setUp();
    rosters.adopt(configOf({}));
    rosters.set('quotes', [found('http://x')]);
    expect(changes).toEqual([]);
  });
});

describe('slots', () => {
  it('give a name that comes back its former one, as long as nobody else has it', () => {
    const cleared: number[] = [];
    const slots = new Slots(2, { isIdle: () => true, clear: (slot) => cleared.push(slot) });
    expect([slots.take('a'), slots.take('b')]).toEqual([0, 1]);
    slots.retain(new Set(['a']));
    slots.retain(new Set());
    expect([slots.take('a'), cleared]).toEqual([0, [0, 1, 0]]);
    slots.retain(new Set());
    expect([slots.take('c'), slots.take('b'), slots.take('a')]).toEqual([1, 0, null]);
  });

  it('count what still runs at an endpoint that has left when it is back', () => {
    const { rosters, table } = setUp();
    const both = configOf({ quotes: ['http://a', 'http://b'] });
    const one = configOf({ quotes: ['http://b'] });
    rosters.of(both);
    rosters.adopt(both);
    table.inFlight[0] = 3;
    const slotsOf = (config: Config) => rosters.of(config)[0]?.entries.map(({ slot }) => slot);
    expect(slotsOf(one)).toEqual([1]);
    rosters.adopt(one);
    expect(slotsOf(both)).toEqual([0, 1]);
  });

  const always = { isIdle: () => true, clear: () => {} };

  it('are reused when all others are given out, the longest free first', () => {
    const slots = new Slots(3, always);
    expect(['a', 'b', 'c', 'd'].map((name) => slots.take(name))).toEqual([0, 1, 2, null]);
    slots.retain(new Set(['b']));
    expect(['d', 'e', 'f'].map((name) => slots.take(name))).toEqual([0, 2, null]);
  });

  it('are not reused as long as something of their former owner is under way', () => {
    const busy = new Set([0]);
    const slots = new Slots(1, { ...always, isIdle: (slot) => !busy.has(slot) });
    slots.take('a');
    slots.retain(new Set());
    expect(slots.take('b')).toBeNull();
    busy.clear();
    expect(slots.take('b')).toBe(0);
  });
});

describe('an endpoint that is drained', () => {
  it('stays so over reloads as long as it is in the roster, and not when it comes back', () => {
    const { rosters, table } = setUp();
    const both = configOf({ quotes: ['http://a', 'http://b'] });
    rosters.of(both);
    rosters.adopt(both);
    const drain = (id: string, drained = true) => drainEndpoint(rosters, table, 'quotes', id, drained);
    expect(drain('http://a')).toEqual({ drained: true, changed: true, inFlight: 0 });
    expect(drain('http://a')).toMatchObject({ changed: false });
    rosters.of(both);
    rosters.adopt(both);
    expect(table.isAvailable(0)).toBe(false);
    expect(drain('http://a', false)).toMatchObject({ changed: true });
    expect(table.isAvailable(0)).toBe(true);
    drain('http://a');
    rosters.adopt(configOf({ quotes: ['http://b'] }));
    expect(drain('http://a')).toEqual({ unknown: 'endpoint' });
    rosters.of(both);
    rosters.adopt(both);
    expect(table.isAvailable(rosters.entriesOf('quotes')![0]!.slot)).toBe(true);
  });
});

describe('the endpoint table', () => {
  it('counts changes of what may be chosen, and nothing else', () => {
    const table = tableOf(1);
    const before = table.changes;
    table.mark(3, UNHEALTHY, false);
    expect(table.changes).toBe(before);
    table.mark(3, UNHEALTHY, true);
    expect(table.changes).not.toBe(before);
  });

  it('counts what is sent by all workers, dead ones too, in rows of their own', () => {
    const segment = createInProcess({ endpoints: endpointTableBytes(2) });
    const [primary, one, two] = [0, 1, 2].map((id) => new EndpointTable(segment.region('endpoints'), id));
    one!.sent[7] = 0x7fffffff;
    two!.sent[7] = 3;
    one!.inFlight[7] = 1;
    expect(primary!.sentTo(7)).toBe(0x80000002);
    primary!.releaseWorker(1);
    expect(primary!.sentTo(7)).toBe(0x80000002);
    primary!.clearEndpoint(7);
    expect(primary!.sentTo(7)).toBe(0);
  });

  it('counts what all workers have in flight, and forgets that of a dead one', () => {
    const segment = createInProcess({ endpoints: endpointTableBytes(2) });
    const [primary, one, two] = [0, 1, 2].map((id) => new EndpointTable(segment.region('endpoints'), id));
    one!.inFlight[7] = 3;
    two!.inFlight[7] = 4;
    expect(primary!.inFlightAt(7)).toBe(7);
    primary!.releaseWorker(1);
    expect(two!.inFlightAt(7)).toBe(4);
  });

  it('keeps the reasons not to choose an endpoint apart', () => {
    const table = tableOf(1);
    expect(table.mark(3, UNHEALTHY, true)).toBe(true);
    expect(table.mark(3, UNHEALTHY, true)).toBe(false);
    expect(table.mark(3, 8, true)).toBe(true);
    expect(table.mark(3, UNHEALTHY, false)).toBe(true);
    expect(table.isAvailable(3)).toBe(false);
    table.clearEndpoint(3);
    expect(table.isAvailable(3)).toBe(true);
    expect(table.isAvailable(4)).toBe(true);
  });
});
