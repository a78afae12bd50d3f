/** What reloads do to open sockets: nothing, unless the configuration says otherwise. */
import { describe, expect, it } from 'vitest';
import { answers, guarded, opened, openMany } from './guarded.ts';

const { start, config } = guarded();
const TWO = { workers: 2 };

describe('a hundred reloads', () => {
  it('close none of 2,000 open sockets on two workers', async () => {
    const gateway = await start({ game: {} }, TWO);
    const clients = await openMany(2000, `${gateway.url}/game`, () => ({}));
    let closed = 0;
    for (const { ended } of clients) void ended.then(() => closed++);
    for (let i = 0; i < 100; i++) {
      // Each one another configuration, in what surrounds the sockets and in their own route.
      const options = { websocket: { maxMessage: `${i + 1}KiB` } };
      gateway.write(config({ game: options, [`other${i}`]: {} }, TWO));
      const { status, body } = await gateway.reload();
      expect({ status, generation: body.generation }).toEqual({ status: 200, generation: i + 2 });
    }
    expect(closed).toBe(0);
    await Promise.all(clients.map((client) => answers(client)));
    expect(closed).toBe(0);
  }, 60_000);
});

describe('a reload that changes the options of a route', () => {
  it('does with its sockets what the new configuration says, and with no others', async () => {
    const before = { kept: {}, drained: {}, closed: {}, unchanged: {} };
    const gateway = await start(before);
    const open = (path: string) => opened(`${gateway.url}/${path}`);
    const kept = await open('kept');
    const drained = await open('drained');
    const closed = await open('closed');
    const unchanged = await open('unchanged');
    const change = (reload: unknown) => ({ websocket: { maxMessage: '2KiB', reload } });
    gateway.write(
      config({
        kept: change('keep'),
        drained: change('drain'),
        closed: change({ close: 4000 }),
        unchanged: { websocket: { reload: 'close' } },
      }),
    );
    expect((await gateway.reload()).status).toBe(200);
    expect(await closed.ended).toEqual({ code: 4000, reason: 'the route has changed' });
    const { code, reason } = await drained.ended;
    expect(code).toBe(1012);
    expect(reason).toMatch(/^the route has changed: connect again; retry-after=\d\.\d$/);
    // It keeps the options that it was opened with.
    await answers(kept, 'x'.repeat(4096));
    await answers(unchanged);
    const other = await open('kept');
    other.socket.send('x'.repeat(4096));
    expect((await other.ended).code).toBe(1009);
  });

  it('counts what `defaults` say of it', async () => {
    const route = { websocket: { reload: 'close' } };
    const gateway = await start({ game: route, own: { ...route, requestSize: { maxUrl: '1KiB' } } });
    const game = await opened(`${gateway.url}/game`);
    const own = await opened(`${gateway.url}/own`);
    const defaults = { requestSize: { maxUrl: '2KiB' } };
    gateway.write(config({ game: route, own: { ...route, requestSize: { maxUrl: '1KiB' } } }, { defaults }));
    expect((await gateway.reload()).status).toBe(200);
    expect((await game.ended).code).toBe(1012);
    await answers(own);
  });
});

describe('sockets of a route that is gone, or takes handshakes no more', () => {
  it('are closed with 1012, spread over `drain.sockets`', async () => {
    const drain = { delay: 0, timeout: '5s', sockets: '1s' };
    const gateway = await start({ gone: {}, plain: {}, stays: {} }, { drain });
    const clients = [
      ...(await openMany(10, `${gateway.url}/gone`, () => ({}))),
      ...(await openMany(10, `${gateway.url}/plain`, () => ({}))),
    ];
    const stays = await opened(`${gateway.url}/stays`);
    const times: number[] = [];
    for (const { ended } of clients) void ended.then(() => times.push(performance.now()));
    gateway.write(config({ plain: { websocket: false }, stays: {} }, { drain }));
    expect((await gateway.reload()).status).toBe(200);
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1012]));
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(400);
    await answers(stays);
  });
});
