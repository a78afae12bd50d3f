import type { Family, GatewayFacts } from '../family.js';
import type { BreakerView, EndpointView } from './view.js';

const BREAKER_STATES = { closed: 0, recovering: 1, 'half-open': 2, open: 3 } as const;

export const healthFamilies: readonly Family[] = [
  {
    name: 'sluice_endpoint_up',
    type: 'gauge',
    help: 'Whether an endpoint may be chosen: 1, or 0 when probes, failed requests, a breaker or an operator take it out.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { labels, of } of endpoints(facts))
        yield { labels, value: of.some(({ state }) => state === 'available') ? 1 : 0 };
    },
  },
  {
    name: 'sluice_endpoint_ejections_total',
    type: 'counter',
    help: 'How often an endpoint was put out because requests to it failed.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { labels, of } of endpoints(facts)) {
        const judged = of.flatMap(({ passive }) => passive ?? []);
        if (judged.length > 0) yield { labels, value: sum(judged.map(({ ejections }) => ejections)) };
      }
    },
  },
  {
    name: 'sluice_probes_total',
    type: 'counter',
    help: 'Probes of an endpoint by result: passed, failed.',
    labels: ['service', 'endpoint', 'result'],
    *samples(facts) {
      for (const { labels, of } of endpoints(facts)) {
        const probed = of.flatMap(({ probe }) => probe ?? []);
        if (probed.length === 0) continue;
        yield { labels: { ...labels, result: 'passed' }, value: sum(probed.map(({ passed }) => passed)) };
        yield { labels: { ...labels, result: 'failed' }, value: sum(probed.map(({ failed }) => failed)) };
      }
    },
  },
  {
    name: 'sluice_breaker_state',
    type: 'gauge',
    help: 'State of a circuit breaker: 0 closed, 1 recovering, 2 half-open, 3 open. Endpoint "": that of the whole service.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { labels, of } of breakers(facts))
        yield { labels, value: Math.max(...of.map(({ state }) => BREAKER_STATES[state])) };
    },
  },
  {
    name: 'sluice_breaker_changes_total',
    type: 'counter',
    help: 'How often a circuit breaker has changed to a state: closed, recovering, half-open, open.',
    labels: ['service', 'endpoint', 'to'],
    *samples(facts) {
      for (const { labels, of } of breakers(facts)) {
        for (const to of Object.keys(BREAKER_STATES) as (keyof typeof BREAKER_STATES)[])
          yield { labels: { ...labels, to }, value: sum(of.map(({ changes }) => changes[to])) };
      }
    },
  },
];

interface Labelled<T> {
  readonly labels: { service: string; endpoint: string };
  readonly of: readonly T[];
}

/** Two sources may give the same id to different addresses: one series stands for both. */
function* endpoints(facts: GatewayFacts): Iterable<Labelled<EndpointView>> {
  for (const { name: service, endpoints } of facts.services()) {
    for (const [endpoint, of] of Map.groupBy(endpoints, ({ id }) => id))
      yield { labels: { service, endpoint }, of };
  }
}

function* breakers(facts: GatewayFacts): Iterable<Labelled<BreakerView>> {
  for (const { name: service, breaker } of facts.services())
    if (breaker !== null) yield { labels: { service, endpoint: '' }, of: [breaker] };
  for (const { labels, of } of endpoints(facts)) {
    const found = of.flatMap(({ breaker }) => breaker ?? []);
    if (found.length > 0) yield { labels, of: found };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
