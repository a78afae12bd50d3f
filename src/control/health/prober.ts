/** Probes endpoints, each once for the whole machine: what is found is in the endpoint table at once. */
import { readFileSync } from 'node:fs';
import type { HealthConfig } from '../../config/schema/services/health.js';
import type { ServiceConfig } from '../../config/schema/services/service.js';
import type { ProbeView } from '../../observe/health/view.js';
import type { Log } from '../../observe/log.js';
import { type EndpointTable, UNHEALTHY } from '../../shared/endpoint-table.js';
import { createProbe, type Probe, type ProbeFault } from './probe.js';

/** What is to be probed. */
export interface Target {
  readonly service: string;
  readonly id: string;
  readonly url: string;
  readonly slot: number;
  readonly health: HealthConfig;
  readonly tls: ServiceConfig['tls'];
}

/** Under way at once, of all endpoints: the others wait. */
const MOST_AT_ONCE = 256;
/** The first probes of many endpoints are spread: this much for each, up to one interval. */
const SPREAD_MS = 10;
/** Part of the interval by which it is longer or shorter. */
const JITTER = 0.1;

export class Prober {
  readonly #table: EndpointTable;
  readonly #log: Log;
  readonly #bySlot = new Map<number, Probing>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(table: EndpointTable, log: Log) {
    this.#table = table;
    this.#log = log;
  }

  /** All there are now. What is known of those that were there before stays known. */
  set(targets: readonly Target[]): void {
    const slots = new Map(targets.map((target) => [target.slot, target]));
    for (const [slot, probing] of this.#bySlot) {
      const target = slots.get(slot);
      if (target !== undefined && probing.isFor(target)) continue;
      probing.stop();
      this.#bySlot.delete(slot);
    }
    for (const target of targets) {
      const known = this.#bySlot.get(target.slot);
      if (known !== undefined) known.follow(target);
      else this.#begin(target, targets.length);
    }
  }

  viewOf(slot: number): ProbeView | null {
    return this.#bySlot.get(slot)?.view() ?? null;
  }

  close(): void {
    this.set([]);
  }

  #begin(target: Target, count: number): void {
    const probing = new Probing(target, this.#table, this.#log, (run) => this.#admit(run));
    this.#bySlot.set(target.slot, probing);
    probing.start(Math.random() * Math.min(target.health.interval, count * SPREAD_MS));
  }

  async #admit(run: () => Promise<void>): Promise<void> {
    if (this.#running >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      await run();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}

/** One endpoint. */
class Probing {
  readonly #table: EndpointTable;
  readonly #log: Log;
  readonly #admit: (run: () => Promise<void>) => Promise<void>;
  #target: Target;
  #probe: Probe;
  #timer: NodeJS.Timeout | undefined;
  #state: ProbeView['state'] = 'unknown';
  /** Probes in a row with the same result. */
  #inARow = 0;
  #passed = 0;
  #failed = 0;
  #last: ProbeView['last'] = null;
  #stopped = false;

  constructor(
    target: Target,
    table: EndpointTable,
    log: Log,
    admit: (run: () => Promise<void>) => Promise<void>,
  ) {
    this.#target = target;
    this.#table = table;
    this.#log = log;
    this.#admit = admit;
    this.#probe = probeOf(target);
  }

  isFor({ service, id, url }: Target): boolean {
    return this.#target.service === service && this.#target.id === id && this.#target.url === url;
  }

  /** Its options may be other ones. */
  follow(target: Target): void {
    const same = isSame(this.#target, target);
    this.#target = target;
    if (same) return;
    this.#probe.close();
    this.#probe = probeOf(target);
    // A long wait may have become a short one. What runs now ends by its own timeout, and schedules the next.
    if (this.#timer !== undefined) this.start(Math.random() * Math.min(target.health.interval, 1_000));
  }

  start(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#admit(() => this.#run());
    }, inMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#probe.close();
  }

  view(): ProbeView {
    return { state: this.#state, passed: this.#passed, failed: this.#failed, last: this.#last };
  }

  async #run(): Promise<void> {
    if (this.#stopped) return;
    const begun = performance.now();
    const fault = await this.#probe.ask();
    if (this.#stopped) return;
    this.#take(fault, performance.now() - begun);
    const { interval } = this.#target.health;
    this.start(interval * (1 + (Math.random() * 2 - 1) * JITTER));
  }

  #take(fault: ProbeFault, latencyMs: number): void {
    const passed = fault === null;
    const before = this.#last?.passed;
    this.#last = {
      at: new Date().toISOString(),
      passed,
      latencyMs: Math.round(latencyMs * 100) / 100,
      output: fault ?? '',
    };
    if (passed) this.#passed++;
    else this.#failed++;
    this.#inARow = before === passed ? this.#inARow + 1 : 1;
    const { healthy, unhealthy } = this.#target.health;
    const first = this.#state === 'unknown';
    if (passed && (first || (this.#state === 'unhealthy' && this.#inARow >= healthy)))
      this.#become('healthy');
    if (!passed && this.#state !== 'unhealthy' && this.#inARow >= unhealthy) this.#become('unhealthy');
  }

  #become(state: 'healthy' | 'unhealthy'): void {
    const { service, id: endpoint, slot } = this.#target;
    const news = this.#table.mark(slot, UNHEALTHY, state === 'unhealthy');
    this.#state = state;
    if (!news) return;
    const output = this.#last?.output;
    if (state === 'unhealthy') this.#log.warn({ service, endpoint, probe: output }, 'endpoint unhealthy');
    else this.#log.info({ service, endpoint }, 'endpoint healthy');
  }
}

/** Rosters change far more often than configurations: those bring other objects, which may say the same. */
function isSame(a: Target, b: Target): boolean {
  const said = ({ health, tls }: Target) => JSON.stringify([health, tls]);
  return (a.health === b.health && a.tls === b.tls) || said(a) === said(b);
}

function probeOf({ url, health, tls }: Target): Probe {
  const { ca, ...rest } = tls;
  let pem: string | undefined;
  try {
    if (ca !== undefined) pem = readFileSync(ca, 'utf8');
  } catch (error) {
    // It was there when the configuration was read.
    const fault = `the certificate authorities cannot be read: ${(error as Error).message}`;
    return { ask: async () => fault, close() {} };
  }
  return createProbe(url, health, { ...rest, ...(pem !== undefined && { ca: pem }) });
}
