import { describeTable, formatTable } from '../route/inspect/describe.js';
import { CONFIG_OPTION, type Command, FAILED, OK } from './command.js';
import { readConfiguration } from './configuration.js';

export const routes: Command = {
  usage: '-c FILE',
  description:
    'Shows the routes in the order in which they are tried: the first row that fits a request is taken.',
  options: { config: CONFIG_OPTION },
  run(input) {
    const config = readConfiguration(input.needed('config'));
    if (config === null) return FAILED;
    const lines = config.routes.length === 0 ? ['no routes'] : formatTable(describeTable(config.routes));
    process.stdout.write(`${lines.join('\n')}\n`);
    return OK;
  },
};
