import type { Draft } from '../draft.js';
import type { Report } from './report.js';

/** A route that answers by itself does nothing that could be done twice. */
export function checkIdempotency({ routes }: Draft, report: Report): void {
  for (const { index, raw, route } of routes) {
    if (!route?.filters.idempotency || Object.hasOwn(raw, 'service')) continue;
    report.mistake({
      path: ['routes', index, 'idempotency'],
      at: 'key',
      message: 'idempotency is about requests to a service, and this route has none',
    });
  }
}
