import type { ServiceConfig } from '../../schema/services/service.js';
import type { Report } from '../report.js';

/** Of probes: what only `http` has. */
const ASKS = ['path', 'status', 'json', 'host', 'headers'] as const;

/** Options about health that exclude each other, or would do nothing. `raw` is the service as written. */
export function checkHealth(name: string, service: ServiceConfig, raw: unknown, report: Report): void {
  const path = ['services', name];
  checkProbes(service.health, [...path, 'health'], written(raw, 'health'), report);
  checkPassive(service.passive, [...path, 'passive'], report);
  checkBreaker(service.breaker, [...path, 'breaker'], written(raw, 'breaker'), report);
}

function checkProbes(
  health: ServiceConfig['health'],
  path: string[],
  raw: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  if (health === null) return;
  if (health.type === 'tcp') {
    for (const option of ASKS) {
      if (!Object.hasOwn(raw, option)) continue;
      report.mistake({
        path: [...path, option],
        at: 'key',
        message: `a probe of type tcp asks for nothing, ${option} has no meaning`,
        expected: 'type: http, or only interval, timeout, healthy, unhealthy, port and initial',
      });
    }
  }
  if (Object.keys(health.headers).some((header) => header.toLowerCase() === 'host')) {
    report.mistake({ path: [...path, 'headers'], message: 'Host is not set here', expected: 'health.host' });
  }
  if (health.timeout > health.interval) {
    report.mistake({
      path: report.written([...path, 'timeout'], [...path, 'interval'], path),
      message: 'a probe may take longer than the interval, which begins when it has ended',
      expected: 'a timeout that is no longer than interval',
    });
  }
}

function checkPassive(passive: ServiceConfig['passive'], path: string[], report: Report): void {
  if (passive === null) return;
  if (passive.consecutive5xx === 0 && passive.consecutiveErrors === 0 && passive.successRate === null) {
    report.mistake({
      path,
      message: 'nothing puts an endpoint out',
      expected: 'passive: off, if that is meant',
    });
  }
  if (passive.maxEjection < passive.baseEjection) {
    report.mistake({
      path: report.written([...path, 'maxEjection'], [...path, 'baseEjection'], path),
      message: 'maxEjection is shorter than baseEjection',
      expected: 'the longest ejection to be at least as long as the first',
    });
  }
}

function checkBreaker(
  breaker: ServiceConfig['breaker'],
  path: string[],
  raw: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  if (breaker === null) return;
  if (breaker.slowCall === 0 && Object.hasOwn(raw, 'slowRatio')) {
    report.mistake({
      path: [...path, 'slowRatio'],
      at: 'key',
      message: 'no call is slow without slowCall',
      expected: 'slowCall, which says from when on a call is slow',
    });
  }
  if (breaker.failureRatio === 0 && (breaker.slowCall === 0 || breaker.slowRatio === 0)) {
    report.mistake({
      path: [...path, 'failureRatio'],
      message: 'nothing opens the breaker',
      expected: 'a failureRatio above 0, or slowCall',
    });
  }
}

function written(raw: unknown, option: string): Readonly<Record<string, unknown>> {
  const value = isMapping(raw) ? raw[option] : undefined;
  return isMapping(value) ? value : {};
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
