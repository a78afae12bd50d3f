import { editorJsonSchema } from '../config/reference/json-schema.js';
import { type Command, OK } from './command.js';

export const schema: Command = {
  usage: '',
  description: `Prints the JSON Schema (2020-12) of the configuration file. Editors with a YAML language server use it when the file begins with
  # yaml-language-server: $schema=sluice.schema.json`,
  options: {},
  run() {
    process.stdout.write(`${JSON.stringify(editorJsonSchema(), null, 2)}\n`);
    return OK;
  },
};
