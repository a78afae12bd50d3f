/** What the configuration asks of breakers and passive health, in the terms of those who do it. */
import type { ServiceConfig } from '../../config/schema/services/service.js';
import type { BreakerOptions } from '../../shared/health/breaker.js';
import type { EjectionOptions } from '../../shared/health/ejection.js';

export interface ServiceBreakerOptions extends BreakerOptions {
  readonly ofService: boolean;
  readonly ofEndpoint: boolean;
  /** Answers with these count as failures. */
  readonly statuses: readonly number[];
  /** Infinity: none is too slow. */
  readonly slowCallMs: number;
}

export interface PassiveOptions extends EjectionOptions {
  /** Share of the endpoints, 0 to 1. */
  readonly maxEjected: number;
  /** null: endpoints are not compared. */
  readonly successRate: Exclude<ServiceConfig['passive'], null>['successRate'];
}

export interface HealthOptions {
  /** null: none. */
  readonly breaker: ServiceBreakerOptions | null;
  readonly passive: PassiveOptions | null;
}

/** Beside the time in which an attempt must have brought an answer. */
const PATIENCE_MS = 1_000;

type Asked = Pick<ServiceConfig, 'breaker' | 'passive' | 'timeouts'>;

export function healthOptions({ breaker, passive, timeouts }: Asked): HealthOptions {
  const { connect, firstByte, total } = timeouts;
  const answered = total > 0 ? Math.min(total, connect + firstByte) : connect + firstByte;
  return {
    breaker: breaker && {
      ...breaker,
      ofService: breaker.scope !== 'endpoint',
      ofEndpoint: breaker.scope !== 'service',
      slowRatio: breaker.slowCall === 0 ? 0 : breaker.slowRatio,
      slowCallMs: breaker.slowCall === 0 ? Number.POSITIVE_INFINITY : breaker.slowCall,
      patience: Math.max(breaker.openFor, answered + PATIENCE_MS),
    },
    passive: passive && { ...passive, counted: passive.successRate !== null },
  };
}
