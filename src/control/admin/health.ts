import type { Endpoint } from './endpoint.js';
import { json, problem } from './endpoint.js';

/** For the question "must it be restarted?": whoever can answer need not be. */
export const livez: Endpoint = {
  path: '/livez',
  method: 'GET',
  summary: 'The control process runs: 200 always.',
  open: true,
  handle: () => json({ status: 'live' }),
};

/** For the question "may traffic be sent here?". */
export const readyz: Endpoint = {
  path: '/readyz',
  method: 'GET',
  summary: '200 when clients may come; 503 while starting, while draining, and when no worker is ready.',
  open: true,
  handle(plane) {
    const phase = plane.phase();
    const workers = plane.workers();
    const ready = workers.filter(({ state }) => state === 'ready').length;
    if (phase === 'running' && ready > 0)
      return json({ status: 'ready', workers: { ready, of: workers.length } });
    const reason = phase === 'running' ? 'no worker is ready' : `the gateway is ${phase}`;
    return problem(503, 'Not ready', reason, { phase, workers: { ready, of: workers.length } });
  },
};
