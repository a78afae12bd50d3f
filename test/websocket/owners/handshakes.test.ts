/** Clients that come back all at once, and gateways that leave. */
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HANDSHAKE, openSocket } from '../../harness/sockets.ts';
import { guarded, opened, openMany } from './guarded.ts';

const house = guarded();
const { start } = house;
const TWO = { workers: 2 };

/** What became of a handshake. */
async function attempt(url: string) {
  const client = openSocket(url);
  return await Promise.race([
    client.opened.then(
      () => null,
      () => client.refused,
    ),
    client.refused,
  ]);
}

describe('handshakes over what the route takes', () => {
  it('get 503 and are told different times, over both workers together', async () => {
    const gateway = await start(
      { game: { websocket: { handshakes: { rate: '10/h', burst: 10 } } }, free: {} },
      TWO,
    );
    const seen = house.service.handshakes.length;
    const answers = await Promise.all(Array.from({ length: 40 }, () => attempt(`${gateway.url}/game`)));
    expect(answers.filter((answer) => answer === null)).toHaveLength(10);
    expect(house.service.handshakes.length - seen).toBe(10);
    const refused = answers.filter((answer) => answer !== null);
    for (const { status, body, headers } of refused) {
      expect({ status, code: JSON.parse(body).code }).toEqual({ status: 503, code: 'HANDSHAKES_LIMITED' });
      expect(headers.ratelimit).toBeUndefined();
    }
    const waits = refused.map(({ headers }) => Number(headers['retry-after']));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(300);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(1);
    expect(Math.max(...waits) - Math.min(...waits)).toBeLessThan(65);
    await Promise.all(Array.from({ length: 12 }, () => opened(`${gateway.url}/free`)));
    const { body } = await gateway.ask('/metrics');
    expect(body).toContain('sluice_websocket_handshakes_total{result="accepted",code="101"} 22');
    expect(body).toContain(
      'sluice_websocket_handshakes_total{result="refused",code="HANDSHAKES_LIMITED"} 30',
    );
  });

  it('are let through as time goes by, and ordinary requests are not counted', async () => {
    const gateway = await start({
      game: { websocket: { handshakes: { rate: '20/s', burst: 1, spread: '1s' } } },
    });
    expect(await attempt(`${gateway.url}/game`)).toBeNull();
    for (let i = 0; i < 10; i++) expect((await fetch(`${gateway.url}/game`)).status).toBe(200);
    const startedAt = performance.now();
    for (let open = 0; open < 5; ) if ((await attempt(`${gateway.url}/game`)) === null) open++;
    expect(performance.now() - startedAt).toBeGreaterThan(150);
  });
});

describe('a gateway that leaves', () => {
  it('closes sockets over `drain.sockets` with a hint that differs, and opens no more', async () => {
    const gateway = await start({ game: {} }, { drain: { delay: 0, timeout: '6s', sockets: '2s' } });
    const clients = await openMany(30, `${gateway.url}/game`, () => ({}));
    const kept = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    onTestFinished(() => void kept.destroy());
    kept.on('error', () => {});
    let heard = '';
    kept.on('data', (chunk) => {
      heard += chunk;
    });
    kept.write('GET /game HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => heard).toContain('plain');
    const times: number[] = [];
    for (const { ended } of clients) void ended.then(() => times.push(performance.now()));
    const exit = gateway.stop();
    await Promise.race(clients.map(({ ended }) => ended));
    heard = '';
    const fields = Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}`);
    kept.write(`GET /game HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`);
    await expect.poll(() => heard, { timeout: 3000 }).toContain('LEAVING');
    expect(heard).toMatch(/^HTTP\/1\.1 503 /);
    expect(heard).toMatch(/retry-after: [1-5]\r\n/i);
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1012]));
    const hints = new Set(ends.map(({ reason }) => /; retry-after=(\d\.\d)$/.exec(reason)?.[1]));
    expect(hints.has(undefined)).toBe(false);
    expect(hints.size).toBeGreaterThan(5);
    times.sort((a, b) => a - b);
    const spread = (times.at(-1) as number) - (times[0] as number);
    expect(spread).toBeGreaterThan(1000);
    // Evenly: in the first half of the time about half of them.
    const half = times.filter((time) => time - (times[0] as number) <= spread / 2).length;
    expect(half).toBeGreaterThan(8);
    expect(half).toBeLessThan(22);
    expect(await exit).toBe(0);
  });
});
