import { loadConfig } from '../config/load.js';
import { formatMistake } from '../config/mistakes.js';
import type { Config } from '../config/schema.js';

/** The configuration in a file; null when it is not right, which has been said on standard error then. */
export function readConfiguration(file: string): Config | null {
  const result = loadConfig(file);
  if (result.ok) return result.config;
  process.stderr.write(result.mistakes.map((mistake) => `${formatMistake(mistake)}\n`).join(''));
  return null;
}
