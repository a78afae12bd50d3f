/** What operators are told of services: `/services`. */
import { type EndpointView, type ServiceView, worst } from '../../observe/health/view.js';
import { type Call, type Endpoint, json, problem, type Reply } from '../admin/endpoint.js';

const HEALTH_JSON = 'application/health+json';

const list: Endpoint = {
  path: '/services',
  method: 'GET',
  summary:
    'Each service and its endpoints: state and why, breaker, last probe, in flight, latency, weight. `Accept: application/health+json` gets it in that form.',
  handle(plane, call) {
    const services = plane.services();
    const status = worst(services.map((service) => service.status));
    if (wantsHealth(call)) return healthReply(services, status);
    return json({ status, services });
  },
};

const one: Endpoint = {
  path: '/services/:name',
  method: 'GET',
  summary: 'The same of one service.',
  handle(plane, call) {
    const { name } = call.params;
    const service = plane.services().find((candidate) => candidate.name === name);
    if (service === undefined) return problem(404, 'Not found', `there is no service "${name}"`);
    return wantsHealth(call) ? healthReply([service], service.status) : json(service);
  },
};

export const serviceEndpoints: readonly Endpoint[] = [list, one];

function wantsHealth({ accept }: Call): boolean {
  return accept.includes(HEALTH_JSON);
}

/** draft-inadarei-api-health-check-06: `fail` is told by the status, too. */
function healthReply(services: readonly ServiceView[], status: ServiceView['status']): Reply {
  const checks = Object.fromEntries(
    services.flatMap(({ name, endpoints, breaker }) => [
      ...(breaker === null
        ? []
        : [
            [
              `${name}:breaker`,
              [
                {
                  componentType: 'component',
                  observedValue: breaker.state,
                  status: breaker.state === 'closed' ? 'pass' : breaker.state === 'open' ? 'fail' : 'warn',
                },
              ],
            ],
          ]),
      [`${name}:endpoints`, endpoints.map(describe)],
    ]),
  );
  const body = { status, description: `${services.length} services of a gateway`, checks };
  return { ...json(body, status === 'fail' ? 503 : 200), contentType: `${HEALTH_JSON}; charset=utf-8` };
}

function describe({ id, state, reasons, probe, latencyMs }: EndpointView) {
  return {
    componentId: id,
    componentType: 'system',
    ...(latencyMs !== null && { observedValue: latencyMs, observedUnit: 'ms' }),
    status: state === 'available' ? 'pass' : 'fail',
    ...(probe?.last && { time: probe.last.at }),
    ...(reasons.length > 0 && { output: [...reasons, probe?.last?.output].filter(Boolean).join(', ') }),
  };
}
