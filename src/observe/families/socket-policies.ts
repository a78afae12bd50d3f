/** What rules of routes do to WebSockets, in metrics. */
import { POLICY_COUNTS, PolicyCounts } from '../../websocket/policy-counts.js';
import type { Family, Sample } from '../family.js';

/** By route, of all workers since the gateway started. */
export class PolicyTotals {
  readonly routes = new Map<string, PolicyCounts>();

  merge(counts: ReadonlyMap<string, Omit<PolicyCounts, 'take'>>): void {
    for (const [route, added] of counts) {
      const totals = this.routes.get(route) ?? new PolicyCounts();
      this.routes.set(route, totals);
      for (const name of POLICY_COUNTS) totals[name] += added[name];
    }
  }
}

function* byRoute(totals: PolicyTotals, samples: (counts: PolicyCounts) => [string, string, number][]) {
  for (const [route, counts] of totals.routes) {
    for (const [label, name, value] of samples(counts)) {
      if (value > 0) yield { labels: { route, [label]: name }, value } satisfies Sample;
    }
  }
}

export const socketPolicyFamilies: readonly Family[] = [
  {
    name: 'sluice_websocket_slow_clients_total',
    type: 'counter',
    help: 'Times a client was too slow, by what was done: its service was not read (pause), only the latest messages were kept (conflate), the socket was closed (close).',
    labels: ['route', 'action'],
    *samples({ totals }) {
      yield* byRoute(totals.sockets.policies, ({ pausing, conflating, closing }) => [
        ['action', 'pause', pausing],
        ['action', 'conflate', conflating],
        ['action', 'close', closing],
      ]);
    },
  },
  {
    name: 'sluice_websocket_conflated_total',
    type: 'counter',
    help: 'Messages that were left out, because a newer one of the same key took their place.',
    labels: ['route'],
    *samples({ totals }) {
      for (const [route, { conflated }] of totals.sockets.policies.routes) {
        if (conflated > 0) yield { labels: { route }, value: conflated };
      }
    },
  },
  {
    name: 'sluice_websocket_refused_total',
    type: 'counter',
    help: 'Messages of clients that were dropped or ended their socket: above the rate, not what the schema says, pings above theirs.',
    labels: ['route', 'reason'],
    *samples({ totals }) {
      yield* byRoute(totals.sockets.policies, ({ overRate, unfit, pings }) => [
        ['reason', 'rate', overRate],
        ['reason', 'schema', unfit],
        ['reason', 'pings', pings],
      ]);
    },
  },
  {
    name: 'sluice_websocket_delayed_total',
    type: 'counter',
    help: 'Messages of clients that were held back until they fitted the rate.',
    labels: ['route'],
    *samples({ totals }) {
      for (const [route, { delayed }] of totals.sockets.policies.routes) {
        if (delayed > 0) yield { labels: { route }, value: delayed };
      }
    },
  },
  {
    name: 'sluice_websocket_waiting_bytes',
    type: 'gauge',
    help: 'Bytes that wait in a worker for clients and for services.',
    labels: ['worker', 'side'],
    *samples({ totals }) {
      for (const [worker, { sockets }] of totals.workers) {
        if (sockets === null) continue;
        yield { labels: { worker, side: 'client' }, value: sockets.waiting.client };
        yield { labels: { worker, side: 'service' }, value: sockets.waiting.service };
      }
    },
  },
];
