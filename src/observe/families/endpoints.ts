/** Metrics about the endpoints of services: as many series as there are endpoints at the moment. */
import type { Family } from '../family.js';

export const endpointFamilies: readonly Family[] = [
  {
    name: 'sluice_endpoint_requests_total',
    type: 'counter',
    help: 'Requests sent to each endpoint, repetitions included, by service and endpoint.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { service, endpoint, sent } of facts.endpoints())
        yield { labels: { service, endpoint }, value: sent };
    },
  },
  {
    name: 'sluice_endpoint_in_flight',
    type: 'gauge',
    help: 'Requests under way at each endpoint, by service and endpoint.',
    labels: ['service', 'endpoint'],
    *samples(facts) {
      for (const { service, endpoint, inFlight } of facts.endpoints())
        yield { labels: { service, endpoint }, value: inFlight };
    },
  },
];
