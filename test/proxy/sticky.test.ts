/** Clients that come back to the same endpoint. */
import { expect, test } from 'vitest';
import { startGateway } from '../harness/gateway.ts';
import { startService } from '../harness/service.ts';

const sticky = { cookie: 'quotes_at', secret: 'a-secret-of-somebody' };

test('a cookie leads back to its endpoint, over a reload and a restart; a forged one leads nowhere', async () => {
  const services = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      startService((_, response) => response.writeHead(200, { 'set-cookie': 'own=1' }).end(name)),
    ),
  );
  const config = {
    services: { quotes: { endpoints: services.map(({ url }) => url), sticky } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'quotes' }],
  };
  let gateway = await startGateway(config);
  const ask = async (cookie = '') => {
    const answer = await fetch(gateway.url, { headers: cookie === '' ? {} : { cookie } });
    return { name: await answer.text(), cookies: answer.headers.getSetCookie() };
  };
  const { name, cookies } = await ask();
  expect(cookies).toEqual([
    'own=1',
    expect.stringMatching(/^quotes_at=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/),
  ]);
  const cookie = cookies[1]!.split(';')[0]!;
  const stays = async () => {
    for (let i = 0; i < 5; i++) expect(await ask(cookie)).toEqual({ name, cookies: ['own=1'] });
  };
  await stays();
  await gateway.reload();
  await stays();
  expect((await ask(`${cookie}x`)).cookies).toHaveLength(2);
  await gateway.stop();
  gateway = await startGateway(config);
  await stays();

  const at = `/services/quotes/endpoints/${encodeURIComponent(services['abc'.indexOf(name)]!.url)}/drain`;
  await gateway.ask(at, { method: 'PUT' });
  const moved = await ask(cookie);
  expect(moved.name).not.toBe(name);
  expect(moved.cookies).toHaveLength(2);
  expect((await gateway.ask('/config')).body).toMatchObject({
    config: { services: { quotes: { sticky: { secret: '***' } } } },
  });
});

test('a cookie leads to where the answer came from, whatever else was asked, and is never that of another service', async () => {
  const slow = await Promise.all(
    ['a', 'b'].map((name) => startService((_, response) => void setTimeout(() => response.end(name), 150))),
  );
  const failing = await startService((_, response) => response.writeHead(503).end());
  const well = await startService((_, response) => response.end('well'));
  const gateway = await startGateway({
    services: {
      slow: { endpoints: slow.map(({ url }) => url), sticky, hedge: { after: '60ms', budget: '100%' } },
      failing: { endpoints: [failing.url], sticky: { ...sticky, cookie: 'failing_at' } },
      well: { endpoints: [well.url] },
    },
    routes: [
      { name: 'slow', match: { path: '/slow' }, service: 'slow' },
      {
        name: 'instead',
        match: { path: '/*' },
        service: 'failing',
        fallback: [{ service: 'well', on: [503] }],
      },
    ],
  });
  const ask = async (path: string, cookie = '') => {
    const answer = await fetch(`${gateway.url}${path}`, { headers: { cookie } });
    return { name: await answer.text(), cookies: answer.headers.getSetCookie() };
  };
  const first = await ask('/slow');
  const cookie = first.cookies[0]!.split(';')[0]!;
  for (let i = 0; i < 4; i++) expect(await ask('/slow', cookie)).toEqual({ name: first.name, cookies: [] });
  expect(await ask('/')).toEqual({ name: 'well', cookies: [] });
});
