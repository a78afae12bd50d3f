/** An adaptive limit's options, with the defaults of those that are not written. */
import type { LimitConfig, RateConfig } from '../../../config/schema/limits/limits.js';
import { type ScorerOptions, SIGNALS, WINDOW_MS } from './scorer.js';
import type { ScorerName } from './scorers.js';

export interface AdaptiveOptions extends ScorerOptions {
  readonly scorer: ScorerName;
  readonly floor: RateConfig;
  /** Windows for which a key is throttled. */
  readonly windows: number;
}

export const DEFAULTS = { sensitivity: 4, forMs: 60_000, learnMs: 600_000 } as const;

export function adaptiveOptions(config: LimitConfig): AdaptiveOptions {
  const floor = config.floor as RateConfig;
  const { count, periodMs } = config.minimum ?? floor;
  return {
    scorer: config.scorer ?? 'ewma',
    floor,
    windows: Math.ceil((config.for ?? DEFAULTS.forMs) / WINDOW_MS),
    sensitivity: config.sensitivity ?? DEFAULTS.sensitivity,
    learn: Math.ceil((config.learn ?? DEFAULTS.learnMs) / WINDOW_MS),
    minimum: (count / periodMs) * WINDOW_MS,
    signals: config.signals ?? SIGNALS,
  };
}

/** Whether a limit only counts and reports. An adaptive one does until it is told otherwise: look at what it would do first. */
export function isOnTrial({ algorithm, shadow }: LimitConfig): boolean {
  return shadow ?? algorithm === 'adaptive';
}
