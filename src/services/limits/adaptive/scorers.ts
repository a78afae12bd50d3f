/** All scorers, by the name that `scorer` takes. */
import { createEwma } from './ewma.js';
import type { Scorer, ScorerOptions } from './scorer.js';

export const scorers = { ewma: createEwma } as const satisfies Readonly<
  Record<string, (options: ScorerOptions) => Scorer>
>;

export type ScorerName = keyof typeof scorers;
