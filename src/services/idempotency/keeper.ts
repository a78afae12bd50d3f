/** Idempotency keys for a worker, configuration after configuration. Loads nothing before a route uses them. */
import type { PrimaryLink } from '../../bus.js';
import type { Config } from '../../config/schema.js';
import { usesIdempotency } from '../../config/uses.js';
import type { Env, Stages } from '../../pipeline.js';
import type { Guard } from './guard.js';
import type { Settlements } from './settlements.js';

export interface IdempotencyOptions {
  readonly required: boolean;
  readonly ttl: number;
  /** In lower case. */
  readonly header: string;
  readonly strict: boolean;
  readonly maxBody: number;
  readonly methods: readonly string[];
  readonly notExecuted: readonly number[];
  readonly serviceHonours: boolean;
}

export interface Idempotency {
  stages(options: IdempotencyOptions, route: Env['route']): Stages;
}

export class IdempotencyKeeper {
  readonly #primary: PrimaryLink;
  readonly #worker: number;
  #settlements: Settlements | null = null;

  constructor(primary: PrimaryLink, worker: number) {
    this.#primary = primary;
    this.#worker = worker;
  }

  async prepare(config: Config): Promise<Idempotency> {
    if (!usesIdempotency(config)) return NO_IDEMPOTENCY;
    const [{ Guard }, { Settlements }] = await Promise.all([
      import('./guard.js'),
      import('./settlements.js'),
    ]);
    this.#settlements ??= new Settlements(this.#primary, this.#worker);
    const settlements = this.#settlements;
    return { stages: (options, route) => stagesOf(new Guard(options, route, settlements)) };
  }

  /** Resolves when the outcome of everything that was sent is known and stored, or the time is over. */
  async settled(withinMs: number): Promise<void> {
    await this.#settlements?.idle(withinMs);
  }
}

function stagesOf({ check, onHead, onDone }: Guard): Stages {
  return { onRequest: check, onHead, onDone };
}

/** For configurations without. */
export const NO_IDEMPOTENCY: Idempotency = {
  stages() {
    throw new Error('the configuration has no idempotency keys');
  },
};
