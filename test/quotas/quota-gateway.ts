/** A gateway with keys and quotas, and what tests ask of it. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type AdminAnswer, type RunningGateway, startGateway } from '../harness/gateway.ts';

export interface Made {
  readonly id: string;
  readonly key: string;
}

/** A folder for the store that outlives a gateway, and goes with the test. */
export function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-quotas-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  return folder;
}

const SECRET = 'a secret that is long enough for HS256';

/** `authorization` for a user, with a plan in the claim `tier`. */
export function bearer(sub: string, tier: string): { authorization: string } {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, tier, exp: 4_000_000_000 })}`;
  const signature = createHmac('sha256', SECRET).update(signed).digest('base64url');
  return { authorization: `Bearer ${signed}.${signature}` };
}

/** One route, /hi, for callers with keys. `more` is laid over. */
export function quotaConfig(data: string, limit: unknown, more: Record<string, unknown> = {}) {
  return {
    workers: 2,
    data,
    auth: {
      providers: {
        keys: { type: 'apiKey' },
        players: { type: 'jwt', algorithms: ['HS256'], secret: SECRET, claims: { plan: 'tier' } },
      },
    },
    routes: [
      {
        name: 'hi',
        match: { path: '/hi' },
        respond: { body: 'hi' },
        auth: ['keys', 'players', 'anonymous'],
        limit,
      },
    ],
    ...more,
  };
}

export async function startQuotas(
  data: string,
  limit: unknown,
  more: Record<string, unknown> = {},
): Promise<RunningGateway> {
  return await startGateway(quotaConfig(data, limit, more));
}

export async function send(
  gateway: RunningGateway,
  method: string,
  path: string,
  body?: unknown,
): Promise<AdminAnswer['body']> {
  const answer = await gateway.ask(path, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  return answer.body;
}

export async function makeKey(gateway: RunningGateway, consumer: string, more: object = {}): Promise<Made> {
  return await send(gateway, 'POST', '/keys', { consumer, ...more });
}

/** So many requests, over connections of their own so that all workers get some. Gives back how many of each status. */
export async function hit(
  gateway: RunningGateway,
  count: number,
  key?: string,
  headers: Record<string, string> = {},
): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const answer = await fetch(`${gateway.url}/hi`, {
        headers: { connection: 'close', ...(key !== undefined && { 'x-api-key': key }), ...headers },
      });
      await answer.arrayBuffer();
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
  return statuses;
}

/** What is left of the first limit that the answer names. */
export async function remaining(gateway: RunningGateway, key?: string): Promise<number> {
  const answer = await fetch(`${gateway.url}/hi`, {
    headers: { connection: 'close', ...(key !== undefined && { 'x-api-key': key }) },
  });
  await answer.arrayBuffer();
  return Number(/;r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '')?.[1]);
}
