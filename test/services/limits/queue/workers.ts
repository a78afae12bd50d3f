/** Workers over one memory, on a clock that stands until it is moved, with requests that are nothing but their fields. */

import { limit as schema } from '../../../../src/config/schema/limits/limits.ts';
import { Exchange } from '../../../../src/exchange.ts';
import type { Stages, Verdict } from '../../../../src/pipeline.ts';
import type { Identity } from '../../../../src/services/identity.ts';
import { LimitEngine } from '../../../../src/services/limits/engine.ts';
import { type LimitCounter, limitStages } from '../../../../src/services/limits/gate.ts';
import type { LimitMemory } from '../../../../src/services/limits/memory.ts';
import { Queues } from '../../../../src/services/limits/queue/arrival.ts';
import { WaitingRoom } from '../../../../src/services/limits/queue/waiting-room.ts';
import type { Segment } from '../../../../src/shared/segment.ts';
import { open, plainSegment } from '../../../shared/memory.ts';
import { QUIET } from '../quiet.ts';

export type Definition = Parameters<typeof schema.parse>[0];

export interface Caller {
  user?: string;
  roles?: string[];
  plan?: string;
  ip?: string;
  headers?: string[];
}

/** One request. */
export class Asked {
  readonly x = new Exchange(0);
  readonly user: string;
  /** undefined: it waits. */
  verdict: Verdict | undefined;
  error: unknown;
  readonly #stages: Stages;

  constructor({ user = '', roles = [], plan = '', ip = '10.0.0.1', headers = [] }: Caller, stages: Stages) {
    this.user = user;
    this.#stages = stages;
    this.x.clientIp = ip;
    this.x.headers = headers;
    this.x.identity = { user, roles, plan, consumer: '', keyId: '', claims: {} } as unknown as Identity;
    this.#settle(this.#run());
  }

  get state(): 'waiting' | 'admitted' | 'refused' {
    if (this.verdict === undefined) return 'waiting';
    return this.x.failure === null && !this.x.done ? 'admitted' : 'refused';
  }

  /** Its answer is complete, or its client has left. */
  finish(): void {
    this.x.done = true;
    this.#stages.onDone?.(this.x);
  }

  #run(): Verdict | Promise<Verdict> {
    const { onArrival, onRequest } = this.#stages;
    const early = onArrival?.(this.x) ?? 0;
    if (early === 1) return early;
    if (early !== 0) return early.then((v) => (v === 0 ? (onRequest?.(this.x) ?? 0) : v));
    return onRequest?.(this.x) ?? 0;
  }

  #settle(verdict: Verdict | Promise<Verdict>): void {
    if (typeof verdict === 'number') this.verdict = verdict;
    else
      verdict.then(
        (late) => {
          this.verdict = late;
        },
        (error) => {
          this.error = error;
        },
      );
  }
}

export class TestWorker {
  readonly memory: LimitMemory;
  readonly engine: LimitEngine;
  readonly room: WaitingRoom;
  readonly counters = new Map<string, LimitCounter>();
  /** When the timer is due; null: it is not set. */
  timerAt: number | null = null;
  /** It does not get to its timers. */
  stuck = false;
  readonly #world: World;

  constructor(world: World, id: number) {
    this.#world = world;
    this.memory = open(world.segment, id);
    Object.defineProperty(this.memory, 'clock', { value: { now: () => world.now } });
    this.engine = new LimitEngine(this.memory.table, this.memory.holds);
    this.room = new WaitingRoom(this.memory, this.engine.decision, (_run, ms) => {
      this.timerAt = world.now + ms;
    });
  }

  /** The limits of a route, as configured once: definitions by name. */
  route(definitions: Record<string, Definition>): (caller: Caller) => Asked {
    const limits = Object.entries(definitions).map(([name, one]) => ({ name, config: schema.parse(one) }));
    const { memory, engine } = this;
    const queues = new Queues(this.room, engine.decision, memory.hasher(false));
    const counter = (name: string) => {
      const known = this.counters.get(name) ?? { admitted: 0, refused: 0, shadowed: 0, noRoom: 0 };
      this.counters.set(name, known);
      return known;
    };
    const env = { ...QUIET, memory, engine, headers: 'standard' as const, counter, queues };
    const stages = limitStages(limits, env, { name: 'r', service: 's', paramNames: [] });
    return (caller) => new Asked(caller, stages);
  }

  runTimer(): void {
    if (this.stuck || this.timerAt === null || this.timerAt > this.#world.now) return;
    this.timerAt = null;
    this.room.tick(this.#world.now);
  }
}

export class World {
  now = 10_000;
  readonly segment: Segment;
  readonly workers: TestWorker[];

  constructor(count = 1, keys = 2_000) {
    this.segment = plainSegment({ keys, workers: 4, holdsPerWorker: 200 });
    this.workers = Array.from({ length: count }, (_, i) => new TestWorker(this, i + 1));
  }

  get first(): TestWorker {
    return this.workers[0] as TestWorker;
  }

  /** Lets time pass, and what follows of it; timers that are due run each half millisecond. */
  async pass(ms: number, eachMs: (now: number) => void = () => {}): Promise<void> {
    const end = this.now + ms;
    while (this.now < end) {
      this.now = Math.min(end, this.now + 0.5);
      for (const worker of this.workers) worker.runTimer();
      await settled();
      eachMs(this.now);
    }
  }
}

/** Whatever was resolved has been taken note of. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 6; i++) await null;
}
