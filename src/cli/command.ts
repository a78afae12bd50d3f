import { parseArgs } from 'node:util';
import { didYouMean } from '../config/did-you-mean.js';

/** Exit codes, the same for all commands. */
export const OK = 0;
/** The configuration or the operation failed; what is wrong has been said. */
export const FAILED = 1;
/** The command line makes no sense. */
export const WRONG_USAGE = 2;

/** A mistake on the command line: `main` prints it with a pointer to --help and exits with 2. */
export class UsageError extends Error {}

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What the help calls the value. */
  readonly value?: string;
  readonly multiple?: boolean;
  readonly required?: boolean;
  readonly description: string;
}

export interface Command {
  /** What follows the name of the command. */
  readonly usage: string;
  /** What it does, sentences for `--help`. */
  readonly description: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Names of the arguments that are no options, in order; all are required. */
  readonly operands?: readonly string[];
  /** Instead of operands: a command line of its own, behind `--`. The name of its first word. */
  readonly rest?: string;
  /** Those that may follow them. */
  readonly optional?: readonly string[];
  /** Resolves with the exit code. */
  run(input: Input): Promise<number> | number;
}

/** Commands behind a first word: `sluice key create`. */
export interface CommandGroup {
  /** What they are about, a sentence for `--help`. */
  readonly description: string;
  readonly commands: Readonly<Record<string, SubCommand>>;
}

export interface SubCommand extends Command {
  /** For the list of commands. */
  readonly summary: string;
}

const HELP: Option = { type: 'boolean', short: 'h', description: 'Show this help.' };

/** The option that names the configuration file. */
export const CONFIG_OPTION: Option = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  required: true,
  description: 'The configuration file, YAML.',
};

/** What the user gave to a command. */
export class Input {
  readonly operands: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>, operands: readonly string[]) {
    this.#values = values;
    this.operands = operands;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The value of an option that is required. */
  needed(name: string): string {
    return String(this.#values[name]);
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }
}

/**
 * Reads the arguments behind the name of a command.
 * @throws UsageError
 */
export function readInput(command: Command, args: readonly string[]): Input {
  const options = { ...command.options, help: HELP };
  // Not strict: the checks below say more than those of parseArgs.
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
  });
  const given = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    checkOption(token, options, given);
    given.add(token.name);
  }
  if (values.help === true) return new Input(values, positionals);
  for (const [name, option] of Object.entries(options)) {
    if ('required' in option && option.required && values[name] === undefined) {
      throw new UsageError(`${spelling(name, option)} is missing`);
    }
  }
  const { operands = [], optional = [] } = command;
  if (positionals.length < operands.length)
    throw new UsageError(`${operands[positionals.length]} is missing`);
  if (command.rest !== undefined) {
    if (positionals.length === 0) throw new UsageError(`${command.rest} is missing`);
    const first = tokens.find(({ kind }) => kind === 'positional' || kind === 'option-terminator');
    if (first?.kind === 'positional') throw new UsageError(`-- is missing before "${positionals[0]}"`);
    return new Input(values, positionals);
  }
  const most = operands.length + optional.length;
  if (positionals.length > most) throw new UsageError(`what is "${positionals[most]}"?`);
  return new Input(values, positionals);
}

/** The help of a command. */
export function helpOf(name: string, command: Command): string {
  const options = { ...command.options, help: HELP };
  const rows = Object.entries(options).map(([key, option]) => [spelling(key, option), option.description]);
  const width = Math.max(...rows.map(([left = '']) => left.length));
  const table = rows.map(([left = '', right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
  return `usage: sluice ${name}${command.usage && ` ${command.usage}`}\n\n${command.description}\n\n${table}\n`;
}

/** The help of a group. */
export function helpOfGroup(name: string, { description, commands }: CommandGroup): string {
  const width = Math.max(...Object.keys(commands).map((sub) => sub.length));
  const table = Object.entries(commands).map(([sub, { summary }]) => `  ${sub.padEnd(width)}  ${summary}`);
  return `usage: sluice ${name} COMMAND [OPTIONS]

${description}

${table.join('\n')}

  -h, --help  ${HELP.description}

"sluice ${name} COMMAND --help" says more about each.
`;
}

function checkOption(
  token: { name: string; rawName: string; value?: string | undefined; inlineValue?: boolean | undefined },
  options: Readonly<Record<string, Option>>,
  given: ReadonlySet<string>,
): void {
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (option === undefined) {
    const meant = didYouMean(token.name, Object.keys(options));
    throw new UsageError(
      `unknown option ${token.rawName}${meant === undefined ? '' : `, did you mean --${meant}?`}`,
    );
  }
  if (option.type === 'boolean' && token.value !== undefined)
    throw new UsageError(`${token.rawName} takes no value`);
  if (option.type === 'boolean') return;
  if (!option.multiple && given.has(token.name)) throw new UsageError(`--${token.name} is given twice`);
  const looksLikeOption = token.inlineValue === false && token.value?.startsWith('-') && token.value !== '-';
  if (token.value === undefined || looksLikeOption) {
    throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${option.value ?? 'VALUE'}`);
  }
}

/** `-c, --config FILE`. */
function spelling(name: string, { short, value }: Option): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}
