/** What WebSockets do, in metrics. */
import type { SocketReport } from '../../websocket/keeper.js';
import type { HopCounts } from '../../websocket/owners/hop-clock.js';
import type { Family, Sample } from '../family.js';
import { LatencyTotals } from '../latency.js';
import { PolicyTotals, socketPolicyFamilies } from './socket-policies.js';

/** Upper bounds of the buckets, in seconds. */
const HOP_BUCKETS = [
  0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10,
] as const;
const HOP_BUCKETS_US = HOP_BUCKETS.map((seconds) => seconds * 1e6);

class HopTotals {
  readonly times = new LatencyTotals();
  sumMs = 0;

  merge({ times, sumMs }: HopCounts): void {
    this.times.merge(times);
    this.sumMs += sumMs;
  }

  *samples(direction: string): Iterable<Sample> {
    const count = this.times.totalCount;
    if (count === 0) return;
    for (const [i, value] of this.times.cumulative(HOP_BUCKETS_US).entries()) {
      yield { suffix: '_bucket', labels: { direction, le: String(HOP_BUCKETS[i]) }, value };
    }
    yield { suffix: '_bucket', labels: { direction, le: '+Inf' }, value: count };
    yield { suffix: '_sum', labels: { direction }, value: this.sumMs / 1000 };
    yield { suffix: '_count', labels: { direction }, value: count };
  }
}

/** Of all workers since the gateway started. */
export class SocketTotals {
  opened = 0;
  messagesIn = 0;
  messagesOut = 0;
  readonly closed = new Map<string, number>();
  readonly policies = new PolicyTotals();
  /** By `result code`. */
  readonly handshakes = new Map<string, number>();
  readonly hops = { in: new HopTotals(), out: new HopTotals() };

  merge({ opened, messagesIn, messagesOut, closed, handshakes, hops, policies }: SocketReport): void {
    this.policies.merge(policies);
    this.hops.in.merge(hops.in);
    this.hops.out.merge(hops.out);
    this.opened += opened;
    this.messagesIn += messagesIn;
    this.messagesOut += messagesOut;
    for (const [code, count] of Object.entries(closed))
      this.closed.set(code, (this.closed.get(code) ?? 0) + count);
    for (const [result, count] of handshakes)
      this.handshakes.set(result, (this.handshakes.get(result) ?? 0) + count);
  }
}

export const socketFamilies: readonly Family[] = [
  {
    name: 'sluice_websockets_open',
    type: 'gauge',
    help: 'Open WebSockets, by worker.',
    labels: ['worker'],
    *samples({ totals }) {
      for (const [worker, { sockets }] of totals.workers) {
        if (sockets !== null) yield { labels: { worker }, value: sockets.open };
      }
    },
  },
  {
    name: 'sluice_websockets_opened_total',
    type: 'counter',
    help: 'WebSockets that were opened.',
    labels: [],
    *samples({ totals }) {
      yield { labels: {}, value: totals.sockets.opened };
    },
  },
  {
    name: 'sluice_websocket_messages_total',
    type: 'counter',
    help: 'Messages from clients (in) and to them (out).',
    labels: ['direction'],
    *samples({ totals: { sockets } }) {
      yield { labels: { direction: 'in' }, value: sockets.messagesIn };
      yield { labels: { direction: 'out' }, value: sockets.messagesOut };
    },
  },
  {
    name: 'sluice_websocket_closed_total',
    type: 'counter',
    help: 'WebSockets that have ended, by close code; 1005 without a code, 1006 without a close.',
    labels: ['code'],
    *samples({ totals }) {
      for (const [code, value] of totals.sockets.closed) yield { labels: { code }, value };
    },
  },
  ...socketPolicyFamilies,
  {
    name: 'sluice_websocket_handshakes_total',
    type: 'counter',
    help: 'Handshakes on routes that take them: accepted, refused by the gateway (code) or the service (class of its status), failed upstream (code), or the client had gone.',
    labels: ['result', 'code'],
    *samples({ totals }) {
      for (const [key, value] of totals.sockets.handshakes) {
        const [result = '', code = ''] = key.split(' ', 2);
        yield { labels: { result, code }, value };
      }
    },
  },
  {
    name: 'sluice_websocket_hop_seconds',
    type: 'histogram',
    help: 'How long messages from clients (in) and services (out) were in the gateway, until the other connection had taken them. One in 64 is timed, of those that no rate and no conflation made wait.',
    labels: ['direction', 'le'],
    *samples({ totals: { sockets } }) {
      yield* sockets.hops.in.samples('in');
      yield* sockets.hops.out.samples('out');
    },
  },
];
