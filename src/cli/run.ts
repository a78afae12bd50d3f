/** The command line: finds the command, loads it and nothing else, runs it. */
import { didYouMean } from '../config/did-you-mean.js';
import {
  type Command,
  type CommandGroup,
  helpOf,
  helpOfGroup,
  OK,
  readInput,
  UsageError,
  WRONG_USAGE,
} from './command.js';

interface Entry {
  /** For the list of commands. */
  readonly summary: string;
  load(): Promise<Command | CommandGroup>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  start: { summary: 'run the gateway', load: async () => (await import('./start.js')).start },
  check: {
    summary: 'list every mistake in a configuration',
    load: async () => (await import('./check.js')).check,
  },
  routes: {
    summary: 'show the routes in the order in which they are tried',
    load: async () => (await import('./routes.js')).routes,
  },
  explain: {
    summary: 'say which route takes a request, and why',
    load: async () => (await import('./explain.js')).explain,
  },
  authz: {
    summary: 'run a table of cases: who may do what',
    load: async () => (await import('./authz.js')).authz,
  },
  key: {
    summary: 'make, list, replace and revoke API keys',
    load: async () => (await import('./records/key.js')).key,
  },
  consumer: {
    summary: 'manage those who own API keys',
    load: async () => (await import('./records/consumer.js')).consumer,
  },
  revoke: {
    summary: 'void what a user holds, or one token',
    load: async () => (await import('./records/revoke.js')).revoke,
  },
  register: {
    summary: 'run an instance of a service, and keep it registered',
    load: async () => (await import('./register.js')).register,
  },
  usage: {
    summary: 'show what consumers have used of their quotas',
    load: async () => (await import('./records/usage.js')).usage,
  },
  schema: {
    summary: 'print the JSON Schema of the configuration, for editors',
    load: async () => (await import('./schema.js')).schema,
  },
  docs: {
    summary: 'print the reference of the configuration, Markdown',
    load: async () => (await import('./docs.js')).docs,
  },
  demo: {
    summary: 'run the gateway with two small services to try it on',
    load: async () => (await import('./demo.js')).demo,
  },
  version: { summary: 'print the version', load: async () => (await import('./version.js')).version },
};

/** Runs what the arguments (without node and script) ask for; resolves with the exit code. */
export async function runCommandLine([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    return await help(args);
  }
  if (name === '--version' || name === '-v') return await runCommand('version', []);
  return await runCommand(name, args);
}

async function runCommand(name: string, args: readonly string[]): Promise<number> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) return unknownCommand(name);
  const command = await entry.load();
  return 'commands' in command ? await runOfGroup(name, command, args) : await execute(name, command, args);
}

async function runOfGroup(
  name: string,
  group: CommandGroup,
  [sub, ...args]: readonly string[],
): Promise<number> {
  if (sub === '--help' || sub === '-h' || sub === 'help') {
    process.stdout.write(helpOfGroup(name, group));
    return OK;
  }
  const command = sub !== undefined && Object.hasOwn(group.commands, sub) ? group.commands[sub] : undefined;
  if (command !== undefined) return await execute(`${name} ${sub}`, command, args);
  const meant = sub && didYouMean(sub, Object.keys(group.commands));
  const wrong = sub === undefined ? 'which command?' : `unknown command "${sub}"`;
  const hint = meant ? `Did you mean "sluice ${name} ${meant}"?` : `Try "sluice ${name} --help".`;
  process.stderr.write(`sluice ${name}: ${wrong}\n${hint}\n`);
  return WRONG_USAGE;
}

async function execute(name: string, command: Command, args: readonly string[]): Promise<number> {
  try {
    const input = readInput(command, args);
    if (!input.flag('help')) return await command.run(input);
    process.stdout.write(helpOf(name, command));
    return OK;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`sluice ${name}: ${error.message}\nTry "sluice ${name} --help".\n`);
    return WRONG_USAGE;
  }
}

async function help([name, sub]: readonly string[]): Promise<number> {
  if (name !== undefined && !name.startsWith('-')) {
    return await runCommand(name, sub === undefined ? ['--help'] : [sub, '--help']);
  }
  const listed = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(9)} ${summary}`);
  process.stdout.write(`usage: sluice COMMAND [OPTIONS]

Sluice is an API gateway for real-time backends.

${listed.join('\n')}

"sluice COMMAND --help" says more about each.
Exit codes: 0 fine, 1 the configuration or the operation failed, 2 wrong usage.
`);
  return OK;
}

function unknownCommand(name: string): number {
  const meant = didYouMean(name, Object.keys(COMMANDS));
  const hint = meant === undefined ? 'Try "sluice --help".' : `Did you mean "sluice ${meant}"?`;
  process.stderr.write(`sluice: unknown command "${name}"\n${hint}\n`);
  return WRONG_USAGE;
}
