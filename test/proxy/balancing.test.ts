/** Which endpoint gets a request. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get } from '../harness/raw-client.ts';
import { type RunningService, startService } from '../harness/service.ts';

let services: RunningService[];
let gateway: RunningGateway;

beforeAll(async () => {
  services = await Promise.all(
    ['a', 'b', 'c'].map((name) => startService((_request, response) => response.end(name))),
  );
  const endpoints = services.map(({ url }, i) => ({ url, weight: [5, 3, 1][i] }));
  const weighted = (balance: string) => ({ endpoints, balance });
  gateway = await startGateway({
    services: {
      turns: { endpoints: services.map(({ url }) => url) },
      weighted: weighted('round-robin'),
      random: weighted('random'),
    },
    routes: ['turns', 'weighted', 'random'].map((name) => ({
      name,
      match: { path: `/${name}` },
      service: name,
    })),
  });
});

afterAll(async () => {
  await gateway?.stop();
  for (const service of services ?? []) await service.close();
});

async function names(path: string, count: number): Promise<string> {
  let answered = '';
  for (let i = 0; i < count; i++) answered += (await exchangeRaw(gateway.url, get(path))).body.toString();
  return answered;
}

function times(name: string, answered: string): number {
  return answered.split(name).length - 1;
}

describe('round-robin', () => {
  it('takes the endpoints in turn', async () => {
    const answered = await names('/turns', 9);
    for (let i = 0; i < 9; i += 3) expect([...answered.slice(i, i + 3)].sort().join('')).toBe('abc');
  });

  it('shares by weight exactly, and mixes', async () => {
    const answered = await names('/weighted', 18);
    for (const turn of [answered.slice(0, 9), answered.slice(9)]) {
      expect([times('a', turn), times('b', turn), times('c', turn)]).toEqual([5, 3, 1]);
    }
    expect(answered).not.toContain('aaa');
    expect(answered).not.toContain('bb');
  });
});

describe('random', () => {
  it('shares by weight on the whole', async () => {
    const answered = await names('/random', 450);
    // Three standard deviations and more of the binomial: fails once in many thousand runs.
    expect(Math.abs(times('a', answered) - 250)).toBeLessThan(50);
    expect(Math.abs(times('b', answered) - 150)).toBeLessThan(50);
    expect(Math.abs(times('c', answered) - 50)).toBeLessThan(35);
  });
});
