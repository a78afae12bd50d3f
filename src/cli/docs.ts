import { configurationReference } from '../config/reference/markdown.js';
import { type Command, OK } from './command.js';

export const docs: Command = {
  usage: '',
  description: 'Prints docs/configuration.md, as the options describe themselves.',
  options: {},
  run() {
    process.stdout.write(configurationReference());
    return OK;
  },
};
