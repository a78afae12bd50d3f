import { type Call, type ControlPlane, type Endpoint, json, problem, type Reply } from '../endpoint.js';

const PATH = '/services/:service/endpoints/:endpoint/drain';

const drain: Endpoint = {
  path: PATH,
  method: 'PUT',
  summary:
    'Takes an endpoint out: what runs there ends, nothing new comes. Asked again, tells how much still runs.',
  handle: (plane, call) => set(plane, call, true),
};

const undrain: Endpoint = {
  path: PATH,
  method: 'DELETE',
  summary: 'Takes a drained endpoint in again.',
  handle: (plane, call) => set(plane, call, false),
};

export const drainEndpoints: readonly Endpoint[] = [drain, undrain];

function set(plane: ControlPlane, { params, remote }: Call, drained: boolean): Reply {
  const { service = '', endpoint = '' } = params;
  const answer = plane.drain(service, endpoint, drained);
  if (answer === null) {
    return problem(
      501,
      'Not possible here',
      'memory cannot be shared on this machine, so that workers would not hear of it: take the endpoint out of the configuration',
    );
  }
  if ('unknown' in answer) {
    const detail =
      answer.unknown === 'service'
        ? `there is no service "${service}"`
        : `the service "${service}" has no endpoint "${endpoint}": it goes by its id, url-encoded`;
    return problem(404, 'Not found', detail);
  }
  if (answer.changed) {
    const event = drained ? 'admin.endpoint.drain' : 'admin.endpoint.undrain';
    plane.audit({ event, service, endpoint, remote });
  }
  return json({ service, endpoint, drained, inFlight: answer.inFlight });
}
