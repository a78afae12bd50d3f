/**
 * A route's features, compiled into four hooks when the configuration loads. A hook nobody uses is `null`: a feature
 * that is off costs one comparison.
 */
import type { Exchange } from './exchange.js';
import type { Overload } from './overload/overload.js';
import type { Access } from './services/access.js';
import type { Review } from './services/authz/review.js';
import type { Idempotency } from './services/idempotency/keeper.js';
import type { Limits } from './services/limit-keeper.js';

/** Go on to the next step. */
export const CONTINUE = 0;
/** The stage has answered, or has called `x.refuse()`: go on to step 6 (respond). */
export const ANSWERED = 1;

export type Verdict = typeof CONTINUE | typeof ANSWERED;

/** Synchronous until it really waits: only a stage that must wait returns a promise. */
export type Stage = (x: Exchange) => Verdict | Promise<Verdict>;
/** A step that cannot refuse. */
export type Step = (x: Exchange) => void;

/** What a filter adds to a route. */
export interface Stages {
  /** Step 3, before everybody's `onRequest`: what must hold whoever calls. */
  onArrival?: Stage;
  /** Step 3: before a service is chosen. May answer. */
  onRequest?: Stage;
  /** Step 5: once per attempt; changes `x.forwardHeaders`. */
  onForward?: Step;
  /** Step 6, before everybody's `onResponse`: the head is still as the service sent it. */
  onHead?: Step;
  /** Step 6: before the head of the answer goes to the client; changes `x.answerHeaders`. */
  onResponse?: Step;
  /** Step 7: exactly once, also after an abort. */
  onDone?: Step;
  /** While a WebSocket is open: whether the caller still may. One filter has it. */
  review?: Review;
}

/** What a filter may ask for while it is built. */
export interface Env {
  readonly route: {
    readonly name: string;
    readonly service: string | null;
    readonly paramNames: readonly string[];
  };
  /** Who may be calling, and what they may do. */
  readonly access: Access;
  /** How much of it. */
  readonly limits: Limits;
  /** What has been done already. */
  readonly idempotency: Idempotency;
  /** Whether there is too much to do. */
  readonly overload: Overload;
}

/** One file in `filters/` is one of these. What may be written for it is in `config/schema/filters/`, under the same name. */
export interface Filter<N extends string = string, O = unknown> {
  readonly name: N;
  /** Options when neither the route nor `defaults` names the filter; absent: it is then off. */
  readonly unnamed?: O;
  build(options: O, env: Env): Stages;
}

export interface Pipeline {
  readonly onRequest: Stage | null;
  readonly onForward: Step | null;
  readonly onResponse: Step | null;
  readonly onDone: Step | null;
  readonly review: Review | null;
}

/** Joins the stages of a route's filters, in the order given. */
export function compile(all: readonly Stages[]): Pipeline {
  return {
    onRequest: joinStages([
      ...all.flatMap((s) => s.onArrival ?? []),
      ...all.flatMap((s) => s.onRequest ?? []),
    ]),
    onForward: joinSteps(all.flatMap((s) => s.onForward ?? [])),
    onResponse: joinSteps([...all.flatMap((s) => s.onHead ?? []), ...all.flatMap((s) => s.onResponse ?? [])]),
    onDone: joinSteps(all.flatMap((s) => s.onDone ?? [])),
    review: all.find((s) => s.review !== undefined)?.review ?? null,
  };
}

function joinStages(stages: Stage[]): Stage | null {
  if (stages.length < 2) return stages[0] ?? null;
  return function runStages(x) {
    return runFrom(stages, 0, x);
  };
}

function runFrom(stages: readonly Stage[], from: number, x: Exchange): Verdict | Promise<Verdict> {
  for (let i = from; i < stages.length; i++) {
    const verdict = stages[i](x);
    if (verdict === CONTINUE) continue;
    if (verdict === ANSWERED) return ANSWERED;
    return verdict.then((v) => (v === CONTINUE && !x.done ? runFrom(stages, i + 1, x) : ANSWERED));
  }
  return CONTINUE;
}

function joinSteps(steps: Step[]): Step | null {
  if (steps.length < 2) return steps[0] ?? null;
  return function runSteps(x) {
    for (let i = 0; i < steps.length; i++) steps[i](x);
  };
}
