/** Plans as a route applies them: for each the gate that its callers pass, made when the configuration loads. */
import type { Config } from '../../../config/schema.js';
import { CONTINUE, type Stage } from '../../../pipeline.js';
import { limitsOfPlan, type NamedLimit } from './named-limits.js';

/** Makes the gate of a plan from its limits; null: there is nothing to check. */
export type BuildGate = (limits: readonly NamedLimit[]) => Stage | null;

/** What the keys of limits are made of that differs between routes. */
const OF_ROUTE = /^(?:route|service|param:.*)$/;

export class Plans {
  /** Of all plans. */
  readonly limits: readonly NamedLimit[];
  /** The most that a plan has. */
  readonly most: number;
  readonly #byName: ReadonlyMap<string, readonly NamedLimit[]>;
  readonly #default: string;
  /** Whether the limits of the plans are the same on all routes. */
  readonly #sameEverywhere: boolean;
  readonly #shared = new Map<boolean, Stage>();

  /** `asCounted`: what becomes of each limit on this machine. */
  constructor(
    { plans, defaultPlan, limits }: Pick<Config, 'plans' | 'defaultPlan' | 'limits'>,
    asCounted: (limit: NamedLimit) => NamedLimit = (limit) => limit,
  ) {
    const byName = Object.entries(plans).map(
      ([name, plan]) => [name, limitsOfPlan(name, plan, limits).map(asCounted)] as const,
    );
    this.#byName = new Map(byName);
    this.#default = defaultPlan ?? '';
    this.limits = byName.flatMap(([, own]) => own);
    this.most = Math.max(0, ...byName.map(([, own]) => own.length));
    this.#sameEverywhere = !this.limits.some(({ config }) => config.by.some((key) => OF_ROUTE.test(key)));
  }

  /**
   * The stage that lets everybody pass the gate of the own plan. Routes with nothing but the plan (`alone`) share their
   * gates, for each way in which gates can be built (`kind`).
   */
  stage(build: BuildGate, alone: boolean, kind: boolean): Stage {
    if (!alone || !this.#sameEverywhere) return this.#choice(build);
    let stage = this.#shared.get(kind);
    if (stage === undefined) {
      stage = this.#choice(build);
      this.#shared.set(kind, stage);
    }
    return stage;
  }

  #choice(build: BuildGate): Stage {
    const gates = new Map(Array.from(this.#byName, ([name, limits]) => [name, build(limits)]));
    const other = gates.get(this.#default) ?? null;
    return function passGateOfPlan(x) {
      const own = x.identity === null ? undefined : gates.get(x.identity.plan);
      const gate = own === undefined ? other : own;
      return gate === null ? CONTINUE : gate(x);
    };
  }
}
