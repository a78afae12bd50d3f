import { configurationReference } from '../config/reference/markdown.js';
import { type Command, OK } from './command.js';

export const docs: Command = {
  usage: '',
  description: 'Prints the reference of all options of the configuration file, Markdown.',
  options: {},
  run() {
    process.stdout.write(configurationReference());
    return OK;
  },
};
