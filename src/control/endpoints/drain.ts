/** Taking an endpoint out by hand: what runs there ends, nothing new comes. */
import { DRAINED, type EndpointTable } from '../../shared/endpoint-table.js';
import type { Rosters } from './rosters.js';

export type DrainAnswer =
  | {
      readonly drained: boolean;
      /** It was not so before. */
      readonly changed: boolean;
      /** Requests that still run there, in all workers. */
      readonly inFlight: number;
    }
  | { readonly unknown: 'service' | 'endpoint' };

/** All workers know at once. It lasts as long as the endpoint is in the roster, over reloads too. */
export function drainEndpoint(
  rosters: Rosters,
  table: EndpointTable,
  service: string,
  id: string,
  drained: boolean,
): DrainAnswer {
  const entries = rosters.entriesOf(service);
  if (entries === null) return { unknown: 'service' };
  const slots = entries.filter((entry) => entry.id === id).map(({ slot }) => slot);
  if (slots.length === 0) return { unknown: 'endpoint' };
  const changes = slots.map((slot) => table.mark(slot, DRAINED, drained));
  const inFlight = slots.reduce((sum, slot) => sum + table.inFlightAt(slot), 0);
  return { drained, changed: changes.includes(true), inFlight };
}
