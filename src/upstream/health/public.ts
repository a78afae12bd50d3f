/** `builtin: services`: how the services are, for anybody. No address, no reason. */
import type { Answer, Exchange } from '../../exchange.js';
import { type BreakerStateName, type Status, statusOf, worst } from '../../observe/health/view.js';
import type { Stage } from '../../pipeline.js';
import type { Service } from '../service.js';

interface PublicView {
  readonly status: Status;
  readonly endpoints: number;
  readonly available: number;
  readonly breaker: BreakerStateName | null;
}

const HEALTH_JSON = 'application/health+json';

export function answerServices(services: ReadonlyMap<string, Service>): Stage {
  return function answerWithServices(x) {
    const views = new Map([...services].map(([name, service]) => [name, viewOf(service)]));
    const status = worst([...views.values()].map((view) => view.status));
    return x.answer(wantsHealth(x) ? healthAnswer(views, status) : plainAnswer(views, status));
  };
}

function viewOf(service: Service): PublicView {
  const { endpoints, breaker } = service;
  const available = endpoints.filter(({ state }) => state?.table.isAvailable(state.slot)).length;
  return {
    status: statusOf(available, endpoints.length, breaker),
    endpoints: endpoints.length,
    available,
    breaker,
  };
}

function wantsHealth(x: Exchange): boolean {
  return x.header('accept')?.includes(HEALTH_JSON) ?? false;
}

function plainAnswer(views: ReadonlyMap<string, PublicView>, status: Status): Answer {
  return answer(200, 'application/json', { status, services: Object.fromEntries(views) });
}

/** draft-inadarei-api-health-check-06: `fail` is told by the status, too. */
function healthAnswer(views: ReadonlyMap<string, PublicView>, status: Status): Answer {
  const checks = [...views].map(([name, { status, available, endpoints }]) => [
    `${name}:endpoints`,
    [
      {
        componentType: 'component',
        observedValue: available,
        observedUnit: `of ${endpoints} available`,
        status,
      },
    ],
  ]);
  return answer(status === 'fail' ? 503 : 200, HEALTH_JSON, { status, checks: Object.fromEntries(checks) });
}

function answer(status: number, type: string, body: unknown): Answer {
  return { status, headers: ['content-type', type, 'cache-control', 'no-store'], body: JSON.stringify(body) };
}
