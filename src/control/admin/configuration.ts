import { formatMistake } from '../../config/mistakes.js';
import { maskSecrets } from '../../config/secrets.js';
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

/** 200 when every worker runs the new configuration, 422 when nothing has changed, 500 when only some workers do. */
export const reload: Endpoint = {
  path: '/config/reload',
  method: 'POST',
  summary:
    'Reads the configuration file again. 200 with the new generation, or 422 with every mistake in the file.',
  async handle(plane) {
    if (plane.phase() !== 'running') {
      return problem(409, 'Not running', `the gateway is ${plane.phase()}: it takes no configuration now`);
    }
    const { result, generation, mistakes, warnings, restartNeeded, workers } =
      await plane.reload('admin API');
    const outcome = { generation, restartNeeded, warnings: warnings.map(describe), workers };
    if (result === 'ok') return json({ result, ...outcome });
    if (result === 'refused') {
      const detail = 'nothing has changed: the file has mistakes, or the workers refused it';
      return problem(422, 'Configuration refused', detail, { ...outcome, mistakes: mistakes.map(describe) });
    }
    return problem(500, 'Configuration partly applied', 'some workers keep the old configuration', outcome);
  },
};

function describe(mistake: Parameters<typeof formatMistake>[0]) {
  return { ...mistake, text: formatMistake(mistake) };
}
