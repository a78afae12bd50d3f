/** The primary's part, with the rosters it follows. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndpointControl } from '../../../src/control/endpoints/endpoints.ts';
import { createLog } from '../../../src/observe/log.ts';
import { BROKEN, EJECTED, UNAVAILABLE, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import type { Discovered, Roster } from '../../../src/upstream/balance/roster.ts';
import { configOf } from '../../config/mistakes.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningService, startService } from '../../harness/service.ts';

const QUICK = 'interval: 100ms, timeout: 100ms';
let control: EndpointControl;
/** What workers would be told, and which endpoints were free to choose in that moment. */
let told: { roster: Roster; free: string[] }[];
let sick: RunningService;
let well: RunningService;

beforeEach(async () => {
  told = [];
  control = new EndpointControl({
    workers: 1,
    log: createLog({ write: () => {} }, 'info', {}),
    onRoster: (roster) => {
      const free = roster.entries.filter(({ slot }) => control.table.isAvailable(slot)).map(({ url }) => url);
      told.push({ roster, free });
    },
  });
  sick = await startService((_request, response) => {
    response.statusCode = 500;
    response.end();
  });
  well = await startService((_request, response) => response.end());
});
afterEach(() => control.close());

const found = (url: string): Discovered => ({ id: url, url, weight: 1, zone: '', priority: 0 });

async function adopt(options: string): Promise<void> {
  const config = configOf(
    `services: { quotes: { endpoints: ["${well.url}"], ${options} } }\nroutes: [{ name: a, match: { path: / }, service: quotes }]`,
  );
  await control.follow(config);
  control.adopted(config);
}

function viewOf(url: string) {
  return control.services()[0]?.endpoints.find((endpoint) => endpoint.url === url);
}

function slotOf(url: string): number {
  return told.at(-1)?.roster.entries.find((entry) => entry.url === url)?.slot as number;
}

const bits = (slot: number) => control.table.words[control.table.endpointAt(slot) + UNAVAILABLE];

describe('endpoints that are discovered', () => {
  it('are probed, and no longer when they have gone', async () => {
    await adopt(`health: { ${QUICK}, unhealthy: 1 }`);
    control.rosters.set('quotes', [found(sick.url)]);
    await eventually(() => viewOf(sick.url)?.state === 'unavailable');
    expect(viewOf(sick.url)).toMatchObject({ reasons: ['unhealthy'] });
    expect(viewOf(well.url)).toMatchObject({ state: 'available' });
    control.rosters.set('quotes', []);
    expect(viewOf(sick.url)).toBeUndefined();
    const before = sick.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(sick.requests.length - before).toBeLessThanOrEqual(1);
  });

  it('are not free before a probe has passed, if told so: workers never see them otherwise', async () => {
    await adopt(`health: { ${QUICK}, initial: unhealthy }`);
    const other = await startService((_request, response) => response.end());
    control.rosters.set('quotes', [found(sick.url), found(other.url)]);
    expect(told.at(-1)?.free).not.toContain(sick.url);
    expect(told.at(-1)?.free).not.toContain(other.url);
    await eventually(() => viewOf(other.url)?.state === 'available');
    // News of others do not make it a beginner again.
    control.rosters.set('quotes', [found(other.url)]);
    expect(told.at(-1)?.free).toContain(other.url);
    expect(viewOf(sick.url)).toBeUndefined();
  });
});

it('what is no longer configured keeps nobody out', async () => {
  await adopt('breaker: { scope: endpoint }');
  control.rosters.set('quotes', [found(sick.url)]);
  const slot = slotOf(sick.url);
  for (const bit of [BROKEN, EJECTED, UNHEALTHY]) control.table.mark(slot, bit, true);
  await adopt('passive: off');
  expect(bits(slot)).toBe(0);
});

it('a bit that a killed worker left behind is put right', async () => {
  await adopt('breaker: { scope: endpoint }');
  control.rosters.set('quotes', [found(sick.url)]);
  const slot = slotOf(sick.url);
  for (const bit of [BROKEN, EJECTED]) control.table.mark(slot, bit, true);
  await eventually(() => bits(slot) === 0);
});
