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
