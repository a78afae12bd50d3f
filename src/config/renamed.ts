import { formatPath, type Path } from './mistakes.js';

/**
 * Options that had another name in an earlier release: old path → new path. Indexes and the user's own names are written
 * `*`. An entry stays for good: it costs nothing and spares a search through change logs.
 */
const RENAMED: Readonly<Record<string, string>> = {};

/** The new path of an option that was renamed, undefined when the option never existed. */
export function newName(path: Path, renamed: Readonly<Record<string, string>> = RENAMED): string | undefined {
  for (const [old, current] of Object.entries(renamed)) {
    const steps = old.split('.');
    if (steps.length !== path.length) continue;
    if (!steps.every((step, index) => step === '*' || step === String(path[index]))) continue;
    const currentSteps = current
      .split('.')
      .map((step, index) => (step === '*' ? (path[index] ?? step) : step));
    return formatPath(currentSteps);
  }
  return undefined;
}
