/** What channels do with other machines, with services as their sources, and who is on them, in metrics. */
import type { Family } from '../family.js';

/** As the control plane counts it. */
export interface ChannelMachineFacts {
  /** null: no route has channels. */
  logCounts(): {
    /** null: there is no Redis. */
    readonly redis: {
      readonly connected: boolean;
      readonly healed: number;
      readonly gaps: number;
      readonly failures: number;
    } | null;
    readonly publications: {
      readonly taken: number;
      readonly refused: number;
      readonly leads: boolean;
    } | null;
    readonly sources: {
      readonly wanted: number;
      readonly connected: number;
      readonly lost: number;
      readonly messages: number;
    };
  } | null;
}

export const channelMachineFamilies: readonly Family[] = [
  {
    name: 'sluice_channel_redis_connected',
    type: 'gauge',
    help: '1 while other machines are heard and spoken to, 0 while Redis is away: then nothing can be published.',
    labels: [],
    *samples({ channels }) {
      const redis = channels?.().logCounts()?.redis;
      if (redis) yield { labels: {}, value: redis.connected ? 1 : 0 };
    },
  },
  {
    name: 'sluice_channel_redis_failures_total',
    type: 'counter',
    help: 'Publications and subscriptions that Redis did not answer.',
    labels: [],
    *samples({ channels }) {
      const redis = channels?.().logCounts()?.redis;
      if (redis) yield { labels: {}, value: redis.failures };
    },
  },
  {
    name: 'sluice_channel_missed_total',
    type: 'counter',
    help: 'What was not heard from other machines at once: messages that were read afterwards (healed), and channels of which some were gone (gap).',
    labels: ['result'],
    *samples({ channels }) {
      const redis = channels?.().logCounts()?.redis;
      if (!redis) return;
      yield { labels: { result: 'healed' }, value: redis.healed };
      yield { labels: { result: 'gap' }, value: redis.gaps };
    },
  },
  {
    name: 'sluice_channel_entries_total',
    type: 'counter',
    help: 'Entries of the stream sluice:publish that this machine took, by result: accepted or refused.',
    labels: ['result'],
    *samples({ channels }) {
      const publications = channels?.().logCounts()?.publications;
      if (!publications) return;
      yield { labels: { result: 'accepted' }, value: publications.taken };
      yield { labels: { result: 'refused' }, value: publications.refused };
    },
  },
  {
    name: 'sluice_channel_entries_leader',
    type: 'gauge',
    help: '1 on the machine that takes the entries of the stream sluice:publish.',
    labels: [],
    *samples({ channels }) {
      const publications = channels?.().logCounts()?.publications;
      if (publications) yield { labels: {}, value: publications.leads ? 1 : 0 };
    },
  },
  {
    name: 'sluice_channel_sources',
    type: 'gauge',
    help: 'Channels with subscribers whose source is a service, by whether the service is connected.',
    labels: ['connected'],
    *samples({ channels }) {
      const sources = channels?.().logCounts()?.sources;
      if (!sources) return;
      yield { labels: { connected: 'true' }, value: sources.connected };
      yield { labels: { connected: 'false' }, value: sources.wanted - sources.connected };
    },
  },
  {
    name: 'sluice_channel_source_messages_total',
    type: 'counter',
    help: 'Messages of services that are the source of a channel.',
    labels: [],
    *samples({ channels }) {
      const sources = channels?.().logCounts()?.sources;
      if (sources) yield { labels: {}, value: sources.messages };
    },
  },
  {
    name: 'sluice_channel_sources_lost_total',
    type: 'counter',
    help: 'Connections to such services that ended, or could not be made.',
    labels: [],
    *samples({ channels }) {
      const sources = channels?.().logCounts()?.sources;
      if (sources) yield { labels: {}, value: sources.lost };
    },
  },
];
