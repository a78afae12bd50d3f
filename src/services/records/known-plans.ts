/** Plans that records may name: those of the configuration, as soon as it has any. */
import { didYouMean } from '../../config/did-you-mean.js';
import type { ConsumerRecord, KeyRecord } from '../keys/key-record.js';
import type { RecordReader } from '../store/record-store.js';
import { RecordFault } from './record-fault.js';

/** Names of the configuration's plans; none: a plan is any word, for conditions and services to read. */
export type KnownPlans = () => readonly string[];

export const ANY_PLAN: KnownPlans = () => [];

/** @throws RecordFault for a plan that the configuration does not have. Empty: none is named. */
export function checkPlan(plan: string | undefined, known: KnownPlans): void {
  const names = known();
  if (plan === undefined || plan === '' || names.length === 0 || names.includes(plan)) return;
  const meant = didYouMean(plan, names);
  throw new RecordFault(
    'invalid',
    `plan: the configuration has no plan "${plan}"; expected one of ${names.join(', ')}, or "" for none${meant === undefined ? '' : `; did you mean ${meant}?`}`,
  );
}

/** Plans that records name and the configuration does not have: how many records each. */
export function unknownPlans(store: RecordReader, names: readonly string[]): Record<string, number> {
  const unknown: Record<string, number> = {};
  for (const kind of ['consumer', 'key'] as const) {
    for (const [, { plan }] of store.list<ConsumerRecord | KeyRecord>(kind)) {
      if (plan !== '' && !names.includes(plan)) unknown[plan] = (unknown[plan] ?? 0) + 1;
    }
  }
  return unknown;
}
