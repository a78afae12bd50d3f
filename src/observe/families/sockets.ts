/** What WebSockets do, in metrics. */
import type { SocketCounts } from '../../websocket/keeper.js';
import type { Family } from '../family.js';
import { PolicyTotals, socketPolicyFamilies } from './socket-policies.js';

/** Of all workers since the gateway started. */
export class SocketTotals {
  opened = 0;
  messagesIn = 0;
  messagesOut = 0;
  readonly closed = new Map<string, number>();
  readonly policies = new PolicyTotals();

  merge({ opened, messagesIn, messagesOut, closed, policies }: SocketCounts): void {
    this.policies.merge(policies);
    this.opened += opened;
    this.messagesIn += messagesIn;
    this.messagesOut += messagesOut;
    for (const [code, count] of Object.entries(closed))
      this.closed.set(code, (this.closed.get(code) ?? 0) + count);
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
    help: 'Messages from clients (in) and from services (out).',
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
];
