import { z } from 'zod';
import { SIGNALS } from '../../../services/limits/adaptive/scorer.js';
import { type ScorerName, scorers } from '../../../services/limits/adaptive/scorers.js';
import { distinct } from '../../collections.js';
import { duration } from '../../units.js';

interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

const SENSITIVITY = 'a number from 1 to 100';

/** Options of limits with `algorithm: adaptive`. `rate` is the schema of a rate. */
export function adaptiveShape<R extends z.ZodType<Rate>>(rate: () => R) {
  return {
    floor: rate()
      .optional()
      .meta({
        description: 'What is left to a key that is far off its own past (`adaptive`).',
        examples: ['5/s'],
      }),
    sensitivity: z
      .number({ error: SENSITIVITY })
      .min(1, { error: SENSITIVITY })
      .max(100, { error: SENSITIVITY })
      .optional()
      .meta({
        description: 'How many deviations from its mean are too far (`adaptive`). Absent: 4.',
        examples: [4],
      }),
    for: duration({ min: 1_000, max: 86_400_000 })
      .optional()
      .meta({ description: 'How long a key is throttled (`adaptive`). Absent: 1m.', examples: ['1m'] }),
    learn: duration({ min: 2_000, max: 86_400_000 })
      .optional()
      .meta({
        description:
          'How long a key must have been seen before it is judged, and how far back its past reaches (`adaptive`). Absent: 10m.',
        examples: ['10m'],
      }),
    minimum: rate()
      .optional()
      .meta({
        description: 'Keys with fewer requests are never throttled (`adaptive`). Absent: `floor`.',
        examples: ['20/s'],
      }),
    signals: distinct(z.enum(SIGNALS), 'signal')
      .min(1, { error: 'at least one of rate, errors' })
      .optional()
      .meta({
        description:
          'By what keys are judged (`adaptive`): how many requests, which share of them ended with 4xx. Absent: both.',
        examples: [['rate']],
      }),
    scorer: z
      .enum(Object.keys(scorers) as [ScorerName, ...ScorerName[]])
      .optional()
      .meta({ description: 'Who judges (`adaptive`). Absent: `ewma`, the only one.', examples: ['ewma'] }),
  };
}

const OWN = ['floor', 'sensitivity', 'for', 'learn', 'minimum', 'signals', 'scorer'] as const;
const FOREIGN = ['rate', 'burst', 'max', 'cost', 'per', 'warnAt', 'mode'] as const;

type Unchecked = Readonly<Partial<Record<(typeof OWN)[number] | (typeof FOREIGN)[number], unknown>>> & {
  readonly algorithm: string;
};

/** True: it is an adaptive limit, and all that there is to say about it has been said. */
export function adaptiveContradictions(
  limit: Unchecked,
  refuse: (path: string, message: string, expected?: string) => void,
): boolean {
  const { algorithm } = limit;
  const isAdaptive = algorithm === 'adaptive';
  for (const name of isAdaptive ? FOREIGN : OWN) {
    if (limit[name] !== undefined) refuse(name, `${algorithm} has no ${name}`);
  }
  if (!isAdaptive) return false;
  const { floor, minimum } = limit as { floor?: Rate; minimum?: Rate };
  if (floor === undefined) refuse('algorithm', 'adaptive needs floor', 'floor: 5/s');
  else if (minimum !== undefined && minimum.count / minimum.periodMs < floor.count / floor.periodMs)
    refuse('minimum', 'a key below the floor is never throttled', 'at least the floor');
  return true;
}
