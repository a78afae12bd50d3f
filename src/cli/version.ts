import { readFileSync } from 'node:fs';
import { type Command, OK } from './command.js';

export const version: Command = {
  usage: '',
  description: 'Prints the version.',
  options: {},
  run() {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    process.stdout.write(`${manifest.version}\n`);
    return OK;
  },
};
