import type { ServiceConfig } from '../../schema/services/service.js';
import { formatDuration } from '../../units.js';
import type { Report } from '../report.js';

/** What a service says about its failures. */
export function checkServiceFailures(
  path: PropertyKey[],
  { retries, hedge, bulkhead, endpoints }: ServiceConfig,
  report: Report,
): void {
  if (retries !== undefined) checkBackoff([...path, 'retries', 'backoff'], retries.backoff, report);
  if (hedge !== undefined && endpoints.length === 1) {
    report.warning({
      path: [...path, 'hedge'],
      at: 'key',
      message: 'a second request goes to another endpoint, and there is none',
    });
  }
  if (bulkhead?.adaptive && bulkhead.adaptive.min > bulkhead.maxInFlight) {
    report.mistake({
      path: report.written([...path, 'bulkhead', 'adaptive', 'min'], [...path, 'bulkhead', 'maxInFlight']),
      message: `the limit cannot stay above ${bulkhead.adaptive.min} and below ${bulkhead.maxInFlight}`,
      expected: 'adaptive.min up to maxInFlight',
    });
  }
}

export function checkBackoff(
  path: PropertyKey[],
  { base, max }: { base: number; max: number },
  report: Report,
): void {
  if (base <= max) return;
  report.mistake({
    path: report.written([...path, 'base'], [...path, 'max']),
    message: `the first wait (${formatDuration(base)}) is longer than the longest (${formatDuration(max)})`,
    expected: 'base up to max',
  });
}
