import { formatMistake } from '../../config/mistakes.js';
import { maskSecrets } from '../../config/secrets.js';
import type { ApplyOutcome } from '../adoption.js';
import { type Endpoint, json, problem } from './endpoint.js';

export const config: Endpoint = {
  path: '/config',
  method: 'GET',
  summary: 'The configuration in force, secrets masked, and the generation that each worker runs.',
  handle(plane) {
    const { config, generation } = plane.inForce();
    const workers = plane.workers().map(({ id, pid, state, generation }) => ({ id, pid, state, generation }));
    return json({ file: plane.file, generation, workers, config: maskSecrets(config) });
  },
};

/** 200 when every worker runs the new configuration, 422 when it was refused, 500 when not all workers took it in time. */
export const reload: Endpoint = {
  path: '/config/reload',
  method: 'POST',
  summary:
    'Reads the configuration file again. 200: the new generation runs. 422: refused, with every mistake in the file. 500: not all workers took it.',
  async handle(plane, { remote }) {
    if (plane.phase() !== 'running') {
      return problem(409, 'Not running', `the gateway is ${plane.phase()}: it takes no configuration now`);
    }
    const { result, generation, mistakes, warnings, restartNeeded, workers } =
      await plane.reload('admin API');
    plane.audit({ event: 'admin.config.reload', result, generation, remote });
    const outcome = { generation, restartNeeded, warnings: warnings.map(describe), workers };
    if (result === 'ok') return json({ result, ...outcome });
    if (result === 'refused') {
      const why =
        mistakes.length > 0 ? 'the file has mistakes' : `every worker refused it (${reasons(workers)})`;
      const detail = `nothing has changed: ${why}`;
      return problem(422, 'Configuration refused', detail, { ...outcome, mistakes: mistakes.map(describe) });
    }
    if (result === 'failed') {
      const detail = `no worker took it (${reasons(workers)}): the old one stays in force, also for those that answer late`;
      return problem(500, 'Configuration not applied', detail, outcome);
    }
    const detail = `it is in force, but not in every worker (${reasons(workers)}): they are asked again`;
    return problem(500, 'Configuration partly applied', detail, outcome);
  },
};

function reasons(workers: readonly ApplyOutcome[]): string {
  return [...new Set(workers.flatMap(({ error }) => error ?? []))].join('; ');
}

function describe(mistake: Parameters<typeof formatMistake>[0]) {
  return { ...mistake, text: formatMistake(mistake) };
}
