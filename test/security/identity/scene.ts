/**
 * What the attacks on identity share: a gateway that asks callers who they are, an issuer it believes, and a service that
 * records what reaches it. Requests are raw bytes. A refusal is its status, its code, the reason in the audit log (so that
 * nothing is refused for another mistake than the one it was made with), and a service that saw nothing.
 *
 *   const scene = useScene(({ service, issuer }) => ({ auth: { … }, routes: [ … ] }));
 *   it('…', () => scene.refuses(get('/players', bearer(forged)), '401 INVALID_TOKEN', 'signature'));
 */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { type LogLine, type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { type Issuer, startIssuer } from '../../harness/issuer.ts';
import type { IssuerOptions } from '../../harness/issuer-provider.ts';
import { exchangeRaw, type RawAnswer } from '../../harness/raw-client.ts';
import { type RunningService, type SeenRequest, startService } from '../../harness/service.ts';

export const AUDIENCE = 'https://api.example.com';

/** Requests at a time, where there are many. */
const TOGETHER = 100;

type Config = Record<string, unknown>;
type Configure = (parts: { service: string; issuer: Issuer }) => Config;

export interface SceneOptions {
  readonly issuer?: IssuerOptions;
  /** With the gateway running. */
  readonly prepare?: () => Promise<void>;
}

export class Scene {
  gateway!: RunningGateway;
  service!: RunningService;
  issuer!: Issuer;
  readonly #configure: Configure;

  constructor(configure: Configure) {
    this.#configure = configure;
  }

  async start(issuer?: IssuerOptions): Promise<void> {
    this.service = await startService();
    this.issuer = await startIssuer(issuer);
    this.gateway = await startGateway(this.#config());
  }

  async stop(): Promise<void> {
    await this.gateway?.end();
    await this.issuer?.close();
    await this.service?.close();
  }

  /** Other options, taken over while running. */
  async reconfigure(change: Config): Promise<void> {
    this.gateway.write({ ...this.#config(), ...change });
    expect((await this.gateway.reload()).status).toBe(200);
  }

  get seen(): readonly SeenRequest[] {
    return this.service.requests;
  }

  ask(bytes: string | Buffer): Promise<RawAnswer> {
    return exchangeRaw(this.gateway.url, bytes);
  }

  /** `what`: status and code. `reason`: of the audit line; left out where there is none. */
  async refuses(bytes: string | Buffer, what: string, reason?: string | RegExp): Promise<RawAnswer> {
    const before = this.seen.length;
    const answer = await this.ask(bytes);
    const attack = bytes.toString('latin1').slice(0, 2000);
    expect(`${answer.status} ${codeOf(answer)}`, attack).toBe(what);
    expect(this.seen.length - before, `the service saw ${attack}`).toBe(0);
    if (reason !== undefined) expect((await this.audited(answer)).reason).toMatch(reason);
    return answer;
  }

  /** The same for many, together: the log comes in batches. */
  async refusesAll(all: readonly (string | Buffer)[], what: string, reason?: string | RegExp): Promise<void> {
    expect(all.length, 'attempts').toBeGreaterThan(0);
    for (let from = 0; from < all.length; from += TOGETHER) {
      await Promise.all(all.slice(from, from + TOGETHER).map((bytes) => this.refuses(bytes, what, reason)));
    }
  }

  /** Accepted: what the service saw of it. */
  async passes(bytes: string | Buffer): Promise<SeenRequest> {
    const before = this.seen.length;
    const answer = await this.ask(bytes);
    expect(answer.status, answer.body.toString()).toBe(200);
    expect(this.seen).toHaveLength(before + 1);
    return this.seen[before];
  }

  /** The audit line about an exchange. */
  async audited(answer: RawAnswer): Promise<LogLine> {
    const id = answer.header('x-request-id');
    return await this.gateway.logged((line) => line.msg === 'audit' && line.request_id === id);
  }

  #config(): Config {
    const own = this.#configure({ service: this.service.url, issuer: this.issuer });
    return { services: { service: { endpoints: [this.service.url] } }, ...own };
  }
}

/** A gateway for all tests of a file. */
export function useScene(configure: Configure, { issuer, prepare }: SceneOptions = {}): Scene {
  const scene = new Scene(configure);
  beforeAll(async () => {
    await scene.start(issuer);
    await prepare?.();
  });
  beforeEach(() => {
    scene.service.requests.length = 0;
  });
  afterAll(() => scene.stop());
  return scene;
}

/** A route to the service. */
export function route(path: string, auth: unknown, more: Config = {}): Config {
  const name = path.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'root';
  return { name, match: { path }, service: 'service', auth, ...more };
}

/** A field line. */
export function bearer(token: string): string {
  return `Authorization: Bearer ${token}`;
}

/** The code of a problem document; null when the answer holds none. */
export function codeOf(answer: RawAnswer): string | null {
  if (answer.header('content-type') !== 'application/problem+json') return null;
  return JSON.parse(answer.body.toString()).code;
}

/** What a service was told under this name, in any case; with `_` for `-`, too. */
export function told(seen: SeenRequest, name: string): string[] {
  const found: string[] = [];
  for (let i = 0; i < seen.rawHeaders.length; i += 2) {
    if (seen.rawHeaders[i].toLowerCase().replaceAll('_', '-') === name) found.push(seen.rawHeaders[i + 1]);
  }
  return found;
}
