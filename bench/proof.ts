/** Each contender shows that it proxies correctly before it is measured: a fast wrong answer is worth nothing. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { BODIES, WORKLOADS } from './workloads.ts';

async function answersTheMeasuredPaths(url: string): Promise<void> {
  for (const { path, method, requestBytes } of WORKLOADS) {
    const body = requestBytes > 0 ? 'x'.repeat(requestBytes) : null;
    const response = await fetch(url + path, { method, body });
    assert.equal(response.status, 200, `${method} ${path}: status`);
    assert.equal(response.headers.get('content-type'), 'application/json', `${method} ${path}: content-type`);
    assert.equal(response.headers.get('x-service'), 'bench', `${method} ${path}: header of the service`);
    assert.equal(await response.text(), BODIES[path], `${method} ${path}: body`);
  }
}

async function passesHeadersBothWays(url: string, own: number): Promise<void> {
  const probe = randomBytes(8).toString('hex');
  const response = await fetch(`${url}/headers`, { headers: { 'x-probe': probe, connection: 'keep-alive' } });
  const seen = (await response.json()) as Record<string, string>;
  assert.equal(seen['x-probe'], probe, 'header of the client');
  const cookies = response.headers.getSetCookie();
  assert.deepEqual(cookies.slice(0, 2), ['a=1', 'b=2'], 'duplicate header of the service');
  assert.equal(cookies.length, 2 + own, 'cookies');
}

async function passesBodiesBothWays(url: string): Promise<void> {
  for (const bytes of [1, 1024, 100_000]) {
    const sent = randomBytes(bytes);
    const response = await fetch(`${url}/echo`, { method: 'POST', body: sent });
    const sha256 = createHash('sha256').update(sent).digest('hex');
    assert.equal(response.headers.get('x-sha256'), sha256, `${bytes} bytes: as the service saw them`);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), sent, `${bytes} bytes: as they came back`);
  }
}

async function passesTheStatus(url: string): Promise<void> {
  for (const status of [204, 404, 503]) {
    const response = await fetch(`${url}/status/${status}`);
    assert.equal(response.status, status, 'status of the service');
    await response.text();
  }
}

/** Rejects with what is wrong. `own`: how many cookies the contender itself sets. */
export async function prove(url: string, own = 0): Promise<void> {
  await answersTheMeasuredPaths(url);
  await passesHeadersBothWays(url, own);
  await passesBodiesBothWays(url);
  await passesTheStatus(url);
  // Once more: whatever the above did to the connections must not show.
  await answersTheMeasuredPaths(url);
}
