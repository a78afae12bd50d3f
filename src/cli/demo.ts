import { fork } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DemoUrls } from '../demo/services.js';
import type { ReadyInfo } from '../primary.js';
import type { Command } from './command.js';
import { runGateway } from './start.js';

const CONFIG = fileURLToPath(new URL('../../config/demo.yaml', import.meta.url));
const POLL_MS = 50;
const TICK_EVERY_MS = 1000;

export const demo: Command = {
  usage: '',
  description: `Starts two small services (quotes over REST, and an echo that shows what arrives) and the gateway with config/demo.yaml
in front of them, and prints what to try. Clients on http://127.0.0.1:8080, operators on http://127.0.0.1:9901.`,
  options: {},
  async run() {
    const services = await startServices();
    const secret = randomBytes(32).toString('base64url');
    const left = new AbortController();
    try {
      return await runGateway({
        file: CONFIG,
        watch: false,
        env: {
          ...process.env,
          QUOTES_URL: services.urls.quotes,
          ECHO_URL: services.urls.echo,
          SLUICE_DEMO_SECRET: secret,
        },
        onReady: (info) => {
          void introduce(info, tokenFor('7', secret), left.signal);
          void tick(info, left.signal);
        },
      });
    } finally {
      left.abort();
      services.stop();
    }
  },
};

/** Says what to try, once a request has gone through the gateway to a service and back. */
async function introduce({ url, admin }: ReadyInfo, token: string, left: AbortSignal): Promise<void> {
  while (!(await answers(`${url}/api/v1/quotes`, left))) {
    if (left.aborted) return;
    await sleep(POLL_MS);
  }
  process.stdout.write(`
Sluice is up: ${url} for clients, ${admin} for operators. Try:

  curl -fsS ${url}/
  curl -fsS ${url}/api/v1/quotes
  curl -fsS ${url}/api/v1/quotes/ACME
  curl -fsS ${url}/api/v1/orders -H 'content-type: application/json' -d '{"symbol":"ACME","quantity":10}'
  curl -fsSi '${url}/echo/hello?debug=1&page=2' -H 'x-internal: forged'
  curl -fsS ${url}/echo/hello -H 'x-beta: yes'
  curl -fsS ${url}/users/7
  curl -fsSL ${url}/quotes
  curl -fsS ${url}/users/7/orders -H 'authorization: Bearer ${token}'

  curl -fsSN '${url}/feed?channel=ticks.ACME' | head -n 15
  curl -fsS ${admin}/channels/ticks.ACME -H 'content-type: application/json' -d '{"data":{"price":0}}'

  curl -fsS ${admin}/readyz
  curl -fsS ${admin}/stats
  curl -fsS ${admin}/metrics
  curl -fsS ${admin}/config

The configuration is config/demo.yaml. Ctrl+C stops everything.

`);
}

/** A service that publishes, as others would: what ACME costs, every second. */
async function tick({ admin }: ReadyInfo, left: AbortSignal): Promise<void> {
  for (let price = 101.5; !left.aborted; price *= 1 + 0.002 * (Math.random() - 0.5)) {
    const data = { symbol: 'ACME', price: Math.round(100 * price) / 100, at: new Date().toISOString() };
    await fetch(`${admin}/channels/ticks.ACME`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ data }),
      signal: left,
    }).catch(() => {});
    await sleep(TICK_EVERY_MS, undefined, { signal: left, ref: false }).catch(() => {});
  }
}

/** A token of the demo's own issuer (RFC 7519), good for a day. */
function tokenFor(user: string, secret: string): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'demo', sub: user, roles: ['viewer'], iat: now, exp: now + 86_400 };
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, { signal, headers: { connection: 'close' } });
    await response.text();
    return response.ok;
  } catch {
    return false;
  }
}

async function startServices(): Promise<{ urls: DemoUrls; stop(): void }> {
  const child = fork(fileURLToPath(new URL('../demo/services.js', import.meta.url)));
  const urls = await new Promise<DemoUrls>((resolve, reject) => {
    child.once('message', (message) => resolve(message as DemoUrls));
    child.once('exit', (code) => reject(new Error(`the demo services ended with ${code}`)));
  });
  return { urls, stop: () => child.connected && child.disconnect() };
}
