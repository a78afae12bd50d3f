/** A gateway takes over the port of another one that leaves. */
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { findFreePort } from '../../src/control/free-port.ts';
import { eventually } from '../harness/eventually.ts';
import { launchGateway, startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';

const saying = (body: string, more: Record<string, unknown> = {}) => ({
  routes: [{ name: 'hello', match: { path: '/hello' }, respond: { body } }],
  ...more,
});

const freePort = () => findFreePort('127.0.0.1', 0);

/** A request on a connection of its own. Resolves with what it was answered, or why it was not. */
function visit(url: string): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(`${url}/hello`, { agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      answer.once('end', () => resolve(body));
      answer.once('error', (error) => resolve(error.message));
    });
    asked.once('error', (error) => resolve(error.message));
    asked.end();
  });
}

test.each([1, 2])(
  'no request is lost, be it on a new connection or on one that is kept (workers: %i)',
  async (workers) => {
    const drain = { delay: 0, timeout: '5s' };
    const first = await startGateway(
      saying('first', { workers, drain, listen: `127.0.0.1:${await freePort()}` }),
      { args: ['--join'] },
    );
    const listen = `127.0.0.1:${new URL(first.url).port}`;
    const load = startLoad(first.url, { connections: 16, path: '/hello' });
    const seen = new Map<string, number>();
    let stopping = false;
    const visitors = Array.from({ length: 16 }, async () => {
      while (!stopping) {
        const said = await visit(first.url);
        seen.set(said, (seen.get(said) ?? 0) + 1);
      }
    });
    const second = await startGateway(saying('second', { workers, drain, listen }), { args: ['--join'] });
    await eventually(() => (seen.get('second') ?? 0) > 20);
    first.signal('SIGTERM');
    expect(await first.exited).toBe(0);
    const before = seen.get('second') ?? 0;
    await eventually(() => (seen.get('second') ?? 0) > before + 50);
    stopping = true;
    await Promise.all(visitors);
    expect((await load.stop()).failed).toEqual([]);
    expect([...seen.keys()].sort()).toEqual(['first', 'second']);
    expect(await second.stop()).toBe(0);
  },
);

test('each needs an admin address of its own, and without --join the port is not shared', async () => {
  const first = await startGateway(saying('first'));
  const listen = `127.0.0.1:${new URL(first.url).port}`;
  const admin = new URL(first.admin).host;
  const second = launchGateway(saying('second', { listen, admin }), { args: ['--join'] });
  expect(await second.exited).toBe(1);
  expect(second.stderr).toBe(`sluice: admin: cannot listen on ${admin}: the port is in use\n`);
  const third = launchGateway(saying('third', { listen }));
  expect(await third.exited).toBe(1);
  expect(third.stderr).toBe(`sluice: cannot listen on ${listen}: the port is in use\n`);
});
