import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { mistakesIn } from './mistakes.ts';

const SERVICES = 'services: { shop: { endpoints: ["http://127.0.0.1:9001"] } }\n';
const route = (options: string) =>
  `${SERVICES}routes:\n  - { name: a, match: { path: / }, service: shop, idempotency: ${options} }\n`;

function configOf(text: string) {
  const loaded = parseConfig(text, '/etc/sluice/sluice.yaml', {});
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.config;
}

describe('idempotency', () => {
  it('is on with its defaults, by a word', () => {
    expect(configOf(route('true')).routes[0].filters.idempotency).toEqual({
      required: false,
      ttl: 86_400_000,
      header: 'idempotency-key',
      strict: false,
      maxBody: 262_144,
      methods: ['POST', 'PATCH'],
      notExecuted: [],
      serviceHonours: false,
    });
    expect(configOf(route('off')).routes[0].filters.idempotency).toBeNull();
  });

  it('needs a folder, unless there is Redis', () => {
    expect(configOf(route('true')).data).toBe('/etc/sluice/data');
    expect(configOf(route('off')).data).toBeNull();
    expect(configOf(`redis: redis://localhost\n${route('true')}`).data).toBeNull();
    expect(configOf(`defaults: { idempotency: true }\n${route('{}')}`).data).toBe('/etc/sluice/data');
  });

  it('is a mistake on a route without a service', () => {
    const text = 'routes:\n  - { name: a, match: { path: / }, respond: {}, idempotency: true }\n';
    expect(mistakesIn(text)).toEqual([
      '2:49  routes[0].idempotency  idempotency is about requests to a service, and this route has none',
    ]);
  });

  it('tells every mistake', () => {
    const text = route('{ ttl: 10ms, methods: [GET], maxBody: 1GiB, requird: true, notExecuted: [200] }');
    const paths = mistakesIn(text).map((mistake) => mistake.split('  ')[1]);
    expect(paths).toEqual([
      'routes[0].idempotency.ttl',
      'routes[0].idempotency.methods[0]',
      'routes[0].idempotency.maxBody',
      'routes[0].idempotency.requird',
      'routes[0].idempotency.notExecuted[0]',
    ]);
  });
});
