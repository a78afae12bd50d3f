import { loadConfig } from '../config/load.js';
import { formatMistake, type Mistake } from '../config/mistakes.js';
import { CONFIG_OPTION, type Command, FAILED, OK } from './command.js';

export const check: Command = {
  usage: '-c FILE [--json]',
  description: `Lists every mistake in a configuration file, in the order of the file, each on a line of its own:
  file:line:col  path  what is wrong; expected what is allowed; did you mean what was meant?
Lines that begin with "warning" are about what works but is probably not meant. Exit code 0 when there are no mistakes, else 1.`,
  options: {
    config: CONFIG_OPTION,
    json: { type: 'boolean', description: 'Print { ok, mistakes, warnings } as JSON instead.' },
  },
  run(input) {
    const file = input.needed('config');
    const result = loadConfig(file);
    const mistakes = result.ok ? [] : result.mistakes;
    if (input.flag('json')) {
      process.stdout.write(
        `${JSON.stringify({ ok: result.ok, mistakes, warnings: result.warnings }, null, 2)}\n`,
      );
    } else {
      const summary = result.ok
        ? `${file} is right: ${counted(result.config.routes.length, 'route')}, ${counted(Object.keys(result.config.services).length, 'service')}`
        : `${file} has ${counted(mistakes.length, 'mistake')}`;
      process.stdout.write(
        [...mistakes.map(formatMistake), ...result.warnings.map(formatWarning), summary, ''].join('\n'),
      );
    }
    return result.ok ? OK : FAILED;
  },
};

function formatWarning(warning: Mistake): string {
  return `warning  ${formatMistake(warning)}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
