/** How many endpoints of a service requests may put out at once. */
import { EJECTED, type EndpointTable, UNAVAILABLE } from '../endpoint-table.js';

/** `share` of the endpoints, but one of several at least, and never all of them. */
export function mostEjected(endpoints: number, share: number): number {
  if (share === 0) return 0;
  return Math.max(0, Math.min(endpoints - 1, Math.max(1, Math.floor(endpoints * share))));
}

/** Whether the endpoint may be put out, or stay out, beside the others that are: another one must be there for clients. */
export function mayBeOut(
  table: EndpointTable,
  slots: readonly number[],
  slot: number,
  most: number,
): boolean {
  let out = 1;
  let available = 0;
  for (const other of slots) {
    if (other === slot) continue;
    const reasons = Atomics.load(table.words, table.endpointAt(other) + UNAVAILABLE);
    if ((reasons & EJECTED) !== 0) out++;
    if (reasons === 0) available++;
  }
  return out <= most && available > 0;
}
