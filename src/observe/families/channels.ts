/** What channels do, in metrics. */
import type { ChannelCounts } from '../../websocket/channels/keeper.js';
import type { Family } from '../family.js';

/** Of all workers since the gateway started. */
export class ChannelTotals {
  delivered = 0;
  behind = 0;
  caughtUp = 0;
  gaps = 0;
  recovered = 0;
  notRecovered = 0;

  merge(counts: ChannelCounts): void {
    this.delivered += counts.delivered;
    this.behind += counts.behind;
    this.caughtUp += counts.caughtUp;
    this.gaps += counts.gaps;
    this.recovered += counts.recovered;
    this.notRecovered += counts.notRecovered;
  }
}

export const channelFamilies: readonly Family[] = [
  {
    name: 'sluice_channel_clients',
    type: 'gauge',
    help: 'Clients of channels, by worker and by how they are connected: websocket or events.',
    labels: ['worker', 'kind'],
    *samples({ totals }) {
      for (const [worker, { channels }] of totals.workers) {
        if (channels === null) continue;
        yield { labels: { worker, kind: 'websocket' }, value: channels.sockets };
        yield { labels: { worker, kind: 'events' }, value: channels.streams };
      }
    },
  },
  {
    name: 'sluice_channel_subscriptions',
    type: 'gauge',
    help: 'Subscriptions of clients, by worker.',
    labels: ['worker'],
    *samples({ totals }) {
      for (const [worker, { channels }] of totals.workers) {
        if (channels !== null) yield { labels: { worker }, value: channels.subscriptions };
      }
    },
  },
  {
    name: 'sluice_channels',
    type: 'gauge',
    help: 'Channels with subscribers, by worker.',
    labels: ['worker'],
    *samples({ totals }) {
      for (const [worker, { channels }] of totals.workers) {
        if (channels !== null) yield { labels: { worker }, value: channels.channels };
      }
    },
  },
  {
    name: 'sluice_channel_published_total',
    type: 'counter',
    help: 'Messages that were published here, by result: accepted or refused.',
    labels: ['result'],
    *samples(facts) {
      const counts = facts.channels?.().counts();
      if (counts === undefined) return;
      yield { labels: { result: 'accepted' }, value: counts.published };
      yield { labels: { result: 'refused' }, value: counts.refused };
    },
  },
  {
    name: 'sluice_channel_broadcasts_total',
    type: 'counter',
    help: 'Broadcasts.',
    labels: [],
    *samples(facts) {
      const counts = facts.channels?.().counts();
      if (counts !== undefined) yield { labels: {}, value: counts.broadcasts };
    },
  },
  {
    name: 'sluice_channel_delivered_total',
    type: 'counter',
    help: 'Messages of channels to clients.',
    labels: [],
    *samples({ totals }) {
      yield { labels: {}, value: totals.channels.delivered };
    },
  },
  {
    name: 'sluice_channel_slow_clients_total',
    type: 'counter',
    help: 'Clients that did not keep up (behind), those that caught up again (caught_up), and messages lost to one (gap).',
    labels: ['event'],
    *samples({ totals: { channels } }) {
      yield { labels: { event: 'behind' }, value: channels.behind };
      yield { labels: { event: 'caught_up' }, value: channels.caughtUp };
      yield { labels: { event: 'gap' }, value: channels.gaps };
    },
  },
  {
    name: 'sluice_channel_recoveries_total',
    type: 'counter',
    help: 'Subscriptions of clients that came back with a position, by whether they got all they had missed.',
    labels: ['recovered'],
    *samples({ totals: { channels } }) {
      yield { labels: { recovered: 'true' }, value: channels.recovered };
      yield { labels: { recovered: 'false' }, value: channels.notRecovered };
    },
  },
];
