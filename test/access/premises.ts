/**
 * A gateway that asks callers who they are, before a service that remembers what it saw.
 *
 *   const premises = await openPremises({ auth: { providers: { ours: HS256 } }, routes: [guarded('/orders', 'ours')] });
 *   const answer = await premises.ask('/orders', { token: tokenOf({ sub: 'alice' }) });
 *   premises.seen                                    // by the service, and nothing that was refused
 *
 * All ends with the test that opened it; opened by a hook it is the hook's to `close()`.
 */
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { eventually } from '../harness/eventually.ts';
import {
  type GatewayOptions,
  type LogLine,
  MAIN,
  type RunningGateway,
  startGateway,
} from '../harness/gateway.ts';
import { encode } from '../harness/issuer-keys.ts';
import { type RunningService, type SeenRequest, startService } from '../harness/service.ts';

export const SECRET = 'a secret of forty-eight bytes, enough for HS384!';
/** The provider that needs nobody else. */
export const HS256 = { type: 'jwt', algorithms: ['HS256'], secret: SECRET };

// biome-ignore lint/suspicious/noExplicitAny: its shape is what the tests assert
type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** undefined: it is none. */
  readonly json: Json;
}

export interface Ask {
  readonly method?: string;
  /** `Authorization: Bearer`. */
  readonly token?: string;
  /** `X-Api-Key`. */
  readonly key?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

/** Signed with a shared secret, valid for five minutes from now. */
export function tokenOf(claims: Record<string, unknown> = {}, secret = SECRET, header = {}): string {
  const iat = Math.floor(Date.now() / 1000);
  const payload = { sub: 'alice', iat, exp: iat + 300, ...claims };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(payload)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** A route to the service, and to nothing below its path. */
export function guarded(path: string, auth: unknown, more: Record<string, unknown> = {}) {
  return { name: path.slice(1) || 'root', match: { path }, service: 'orders', auth, ...more };
}

export class Premises {
  readonly gateway: RunningGateway;
  readonly service: RunningService;
  readonly #config: Record<string, unknown>;

  constructor(gateway: RunningGateway, service: RunningService, config: Record<string, unknown>) {
    this.gateway = gateway;
    this.service = service;
    this.#config = config;
  }

  get seen(): readonly SeenRequest[] {
    return this.service.requests;
  }

  /** Over a connection of its own: any worker may get it. */
  ask(path: string, ask: Ask = {}): Promise<Answer> {
    return askAt(this.gateway.url, path, ask);
  }

  /** What the service saw of a request that it answered. */
  async pass(path: string, ask: Ask = {}): Promise<SeenRequest> {
    const answer = await this.ask(path, ask);
    if (answer.status !== 200) throw new Error(`${path} is answered ${answer.status}: ${answer.text}`);
    return this.seen[this.seen.length - 1];
  }

  /** A refusal by the gateway: its status, code and challenge. The service saw nothing. */
  async refusal(path: string, ask: Ask = {}) {
    const before = this.seen.length;
    const { status, json, headers } = await this.ask(path, ask);
    if (this.seen.length !== before) throw new Error(`the service saw ${path}, answered ${status}`);
    return { status, code: json?.code, challenge: headers['www-authenticate'] };
  }

  /** POST, PUT or DELETE on the admin API. */
  async change(method: string, path: string, body?: unknown) {
    const headers = { 'content-type': 'application/json' };
    return await this.gateway.ask(path, { method, headers, body: JSON.stringify(body) });
  }

  /** The same gateway with other options. */
  async reconfigure(change: Record<string, unknown>) {
    this.gateway.write({ ...this.#config, ...change });
    return await this.gateway.reload();
  }

  /** A line of the audit log that has been or will be written. */
  async audited(members: Record<string, unknown>): Promise<LogLine> {
    return await this.gateway.logged(
      (line) =>
        line.msg === 'audit' && Object.entries(members).every(([name, value]) => line[name] === value),
    );
  }

  async close(): Promise<void> {
    await this.gateway.end();
    await this.service.close();
  }
}

/** `config` is laid over one with the service `orders`. */
export async function openPremises(
  config: Record<string, unknown>,
  options?: GatewayOptions,
): Promise<Premises> {
  const service = await startService();
  const whole = { services: { orders: { endpoints: [service.url] } }, ...config };
  return new Premises(await startGateway(whole, options), service, whole);
}

export function askAt(
  url: string,
  path: string,
  { method = 'GET', token, key, headers = {}, body = '' }: Ask = {},
): Promise<Answer> {
  const credentials = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(key !== undefined && { 'x-api-key': key }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      url + path,
      { method, agent: false, headers: { ...credentials, ...headers } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        answer.on('error', reject);
        answer.on('end', () => {
          const isJson = answer.headers['content-type']?.includes('json') === true && text !== '';
          resolve({
            status: answer.statusCode as number,
            headers: answer.headers,
            text,
            json: isJson ? JSON.parse(text) : undefined,
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/**
 * Asks over new connections until they all bring `status`: so many meet every worker, almost surely. Resolves with the
 * milliseconds after which nobody said anything else any more.
 */
export async function settles(ask: () => Promise<{ status: number }>, status: number): Promise<number> {
  const startedAt = performance.now();
  let otherAt = startedAt;
  let inARow = 0;
  const enough = async () => {
    const askedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 8 }, ask));
    if (answers.every((answer) => answer.status === status)) inARow++;
    else {
      inARow = 0;
      otherAt = askedAt;
    }
    return inARow === 4;
  };
  await eventually(enough, { what: `status ${status} on every worker` });
  return otherAt - startedAt;
}

export interface CommandEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A command of the program, in a process of its own. */
export function sluice(...args: string[]): Promise<CommandEnd> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 15_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}
