/** Whether a limit is counted with other machines. */
import type { LimitConfig } from '../../../config/schema/limits/limits.js';
import type { NamedLimit } from '../plans/named-limits.js';

export type Mode = NonNullable<LimitConfig['mode']>;

/**
 * Without Redis, which a reload does not bring, and without memory that the primary sees, each machine counts alone; so does
 * an adaptive limit, which knows the past of this one only.
 */
export function modeOf(
  { mode = 'synced', algorithm }: Pick<LimitConfig, 'mode' | 'algorithm'>,
  redis: boolean,
  memory: boolean,
): Mode {
  if (!redis || algorithm === 'adaptive') return 'local';
  return mode === 'synced' && !memory ? 'local' : mode;
}

/** The limit as it is counted here. */
export function withMode({ name, config }: NamedLimit, redis: boolean, memory: boolean): NamedLimit {
  return { name, config: { ...config, mode: modeOf(config, redis, memory) } };
}
