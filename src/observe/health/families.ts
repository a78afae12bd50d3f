import type { Family } from '../family.js';

const BREAKER_STATES = { closed: 0, recovering: 1, 'half-open': 2, open: 3 } as const;

export const healthFamilies: readonly Family[] = [
  {
    name: 'sluice_endpoint_up',
    type: 'gauge',
    help: 'Whether an endpoint may be chosen: 1, or 0 when probes, failed requests, a breaker or an operator take it out.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { name: service, endpoints } of facts.services()) {
        for (const { id: endpoint, state } of endpoints)
          yield { labels: { service, endpoint }, value: state === 'available' ? 1 : 0 };
      }
    },
  },
  {
    name: 'sluice_endpoint_ejections_total',
    type: 'counter',
    help: 'How often an endpoint was put out because requests to it failed.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { name: service, endpoints } of facts.services()) {
        for (const { id: endpoint, passive } of endpoints)
          if (passive !== null) yield { labels: { service, endpoint }, value: passive.ejections };
      }
    },
  },
  {
    name: 'sluice_probes_total',
    type: 'counter',
    help: 'Probes of an endpoint by result: passed, failed.',
    labels: ['service', 'endpoint', 'result'],
    *samples(facts) {
      for (const { name: service, endpoints } of facts.services()) {
        for (const { id: endpoint, probe } of endpoints) {
          if (probe === null) continue;
          yield { labels: { service, endpoint, result: 'passed' }, value: probe.passed };
          yield { labels: { service, endpoint, result: 'failed' }, value: probe.failed };
        }
      }
    },
  },
  {
    name: 'sluice_breaker_state',
    type: 'gauge',
    help: 'State of a circuit breaker: 0 closed, 1 recovering, 2 half-open, 3 open. Endpoint "": that of the whole service.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { labels, breaker } of breakers(facts))
        yield { labels, value: BREAKER_STATES[breaker.state] };
    },
  },
  {
    name: 'sluice_breaker_changes_total',
    type: 'counter',
    help: 'How often a circuit breaker has changed to a state: closed, recovering, half-open, open.',
    labels: ['service', 'endpoint', 'to'],
    *samples(facts) {
      for (const { labels, breaker } of breakers(facts)) {
        for (const [to, value] of Object.entries(breaker.changes)) yield { labels: { ...labels, to }, value };
      }
    },
  },
];

function* breakers(facts: Parameters<Family['samples']>[0]) {
  for (const { name: service, breaker, endpoints } of facts.services()) {
    if (breaker !== null) yield { labels: { service, endpoint: '' }, breaker };
    for (const { id: endpoint, breaker } of endpoints)
      if (breaker !== null) yield { labels: { service, endpoint }, breaker };
  }
}
