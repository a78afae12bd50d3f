import { didYouMean } from '../../did-you-mean.js';
import type { Draft, DraftRoute } from '../../draft.js';
import type { FallbackConfig } from '../../schema/resilience/fallback.js';
import { checkRespondHeaders } from '../headers.js';
import type { Report } from '../report.js';
import { checkBackoff, checkServiceFailures } from './services.js';

/** What routes and services say about failures. */
export function checkResilience({ services, routes }: Draft, report: Report): void {
  for (const [name, service] of services) {
    if (service !== undefined) checkServiceFailures(['services', name], service, report);
  }
  for (const item of routes) {
    needsService(item, report);
    if (item.route?.fallback !== undefined)
      checkFallback(item, item.route.fallback, [...services.keys()], report);
  }
}

/** Options about the failures of a service, on a route that has none. */
function needsService({ index, raw, route }: DraftRoute, report: Report): void {
  if (route?.retries !== undefined && route.retries !== 'off') {
    checkBackoff(['routes', index, 'retries', 'backoff'], route.retries.backoff, report);
  }
  if (Object.hasOwn(raw, 'service')) return;
  for (const option of ['retries', 'fallback']) {
    if (!Object.hasOwn(raw, option)) continue;
    report.mistake({
      path: ['routes', index, option],
      at: 'key',
      message: `${option} is about a service that fails, and this route has no service`,
    });
  }
}

function checkFallback(
  { index, raw }: DraftRoute,
  steps: FallbackConfig,
  services: readonly string[],
  report: Report,
): void {
  const asked = new Map<unknown, string>([[raw.service, 'answers on this route already']]);
  for (const [at, { service, respond }] of steps.entries()) {
    const path = ['routes', index, 'fallback', at];
    if ((service === undefined) === (respond === undefined)) {
      report.mistake({
        path,
        message:
          service === undefined
            ? 'the step says nothing about who answers'
            : 'service and respond exclude each other',
        expected: 'exactly one of service, respond',
      });
    }
    if (respond !== undefined) {
      checkRespondHeaders(respond.headers, [...path, 'respond', 'headers'], report);
      if (at < steps.length - 1) {
        report.mistake({
          path: ['routes', index, 'fallback', at + 1],
          message: 'the step before it always has an answer, so this one is never taken',
          expected: 'respond as the last step',
        });
      }
    }
    if (service === undefined) continue;
    if (!services.includes(service)) {
      report.mistake({
        path: [...path, 'service'],
        message: `there is no service "${service}"`,
        expected:
          services.length === 0 ? 'a name under "services", which is empty' : `one of ${services.join(', ')}`,
        suggestion: didYouMean(service, services),
      });
    } else if (asked.has(service)) {
      report.mistake({
        path: [...path, 'service'],
        message: `"${service}" ${asked.get(service)}, and has failed when this step is taken`,
        expected: 'another service',
      });
    }
    asked.set(service, 'is an earlier step');
  }
}
