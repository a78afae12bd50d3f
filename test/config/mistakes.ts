import { parseConfig } from '../../src/config/load.ts';
import { formatMistake } from '../../src/config/mistakes.ts';
import type { Config } from '../../src/config/schema.ts';

/** Where the files that a configuration names are looked for. */
const FILE = `${import.meta.dirname}/gateway.yaml`;

/** The mistakes of a configuration as `line:col  path  what is wrong…`. */
export function mistakesIn(text: string, environment: Record<string, string> = {}): string[] {
  const result = parseConfig(text, FILE, environment);
  return result.ok ? [] : result.mistakes.map((mistake) => formatMistake(mistake).slice(FILE.length + 1));
}

export function warningsIn(text: string): string[] {
  return parseConfig(text, FILE, {}).warnings.map((warning) => formatMistake(warning).slice(FILE.length + 1));
}

/** The configuration in a text that is right. */
export function configOf(text: string, environment: Record<string, string> = {}): Config {
  const result = parseConfig(text, FILE, environment);
  if (!result.ok) throw new Error(result.mistakes.map(formatMistake).join('\n'));
  return result.config;
}
