/**
 * What the tests of attacks share: a gateway, behind it a service that records what reaches it, and the three things
 * that every refusal must hold: the status with its code, what becomes of the connection, and that the service saw
 * nothing. Each check ends with a good request on a new connection.
 *
 *   const target = useTarget();
 *   it('…', () => target.refuses(raw('POST / HTTP/1.1', 'Host: a', 'Content-Length: +1') + 'a', 400, 'BAD_FRAMING'));
 */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, type RawAnswer, type RawClient } from '../harness/raw-client.ts';
import { type RawRequest, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

/** Requests that the checks make by themselves go below this path. */
const OWN = '/-/';

/** The listener has answered by itself, before any code of ours ran: its answers have no body that a program could read. */
export const LISTENER = null;

type Overlay = Record<string, unknown> | ((service: string) => Record<string, unknown>);

export class Target {
  gateway!: RunningGateway;
  service!: ScriptedService;
  readonly #overlay: Overlay;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  async start(): Promise<void> {
    this.service = await startScriptedService();
    this.gateway = await startGateway(this.#config(this.#overlay));
  }

  /** Another configuration, taken over while running. */
  async reconfigure(overlay: Overlay): Promise<void> {
    this.gateway.write(this.#config(overlay));
    expect((await this.gateway.reload()).status).toBe(200);
  }

  /** What has reached the service, without the requests of the checks. */
  get seen(): readonly RawRequest[] {
    return this.service.seen.filter(({ target }) => !target.startsWith(OWN));
  }

  /** Refused, and the connection is closed: nothing behind it is read as a request. */
  async refuses(bytes: string, status: number, code: string | typeof LISTENER): Promise<RawAnswer> {
    const client = await connectRaw(this.gateway.url);
    const answer = await this.#refusal(client, bytes, status, code);
    await client.closed(2000);
    expect(client.received, 'nothing follows the refusal').toHaveLength(0);
    if (code !== LISTENER) expect(answer.header('connection')).toBe('close');
    await this.stands();
    return answer;
  }

  /** Refused, but it is clear where the request ends: the connection lives on. */
  async refusesAndStays(bytes: string, status: number, code: string): Promise<RawAnswer> {
    const client = await connectRaw(this.gateway.url);
    const answer = await this.#refusal(client, bytes, status, code);
    expect((await client.send(get(`${OWN}same-connection`)).answer()).status).toBe(200);
    await this.stands();
    return answer;
  }

  /** Cut off, with one answer at most: of what follows on the connection, nothing is executed. */
  async cuts(...parts: string[]): Promise<number[]> {
    const client = await connectRaw(this.gateway.url);
    for (const part of parts) {
      client.send(part);
      if (parts.length > 1) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.closed(2000);
    const statuses = statusesIn(client.received);
    expect(statuses.length, 'answers').toBeLessThanOrEqual(1);
    await this.stands(false);
    return statuses;
  }

  /** Accepted: gives what the service saw of it. */
  async passes(bytes: string): Promise<RawRequest> {
    const before = this.seen.length;
    const answer = await exchangeRaw(this.gateway.url, bytes);
    expect(answer.status, answer.body.toString()).toBe(200);
    expect(this.seen).toHaveLength(before + 1);
    const request = this.seen[before];
    await request.whole;
    return request;
  }

  /** The gateway serves others, and the service has seen nothing of the attack. */
  async stands(untouched = true): Promise<void> {
    expect((await exchangeRaw(this.gateway.url, get(`${OWN}good`))).status).toBe(200);
    if (untouched) expect(this.seen.map(({ method, target }) => `${method} ${target}`)).toEqual([]);
  }

  #config(overlay: Overlay): Record<string, unknown> {
    const { url } = this.service;
    return {
      services: { service: { endpoints: [url], timeouts: { idle: '500ms', firstByte: '5s' } } },
      routes: [{ name: 'all', match: { path: '/*' }, service: 'service' }],
      ...(typeof overlay === 'function' ? overlay(url) : overlay),
    };
  }

  async #refusal(client: RawClient, bytes: string, status: number, code: string | null): Promise<RawAnswer> {
    const answer = await client.send(bytes).answer({ to: bytes.split(' ', 1)[0] });
    expect(`${answer.status} ${codeOf(answer)}`).toBe(`${status} ${code}`);
    return answer;
  }
}

/** A gateway for all tests of a file; `overlay` is laid over one route for everything. */
export function useTarget(overlay: Overlay = {}): Target {
  const target = new Target(overlay);
  beforeAll(() => target.start());
  beforeEach(() => {
    target.service.seen.length = 0;
  });
  afterAll(async () => {
    await target.gateway?.stop();
    await target.service?.close();
  });
  return target;
}

/** A request head of exactly these lines. */
export function raw(...lines: string[]): string {
  return [...lines, '', ''].join('\r\n');
}

/** The code of a problem document; null when the answer holds none. */
export function codeOf(answer: RawAnswer): string | null {
  if (answer.header('content-type') !== 'application/problem+json') return null;
  return JSON.parse(answer.body.toString()).code;
}

/** Statuses of all answers in a stream of bytes, interim ones left out. */
function statusesIn(bytes: Buffer): number[] {
  const found = bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g);
  return [...found].map(([, status]) => Number(status)).filter((status) => status >= 200);
}
