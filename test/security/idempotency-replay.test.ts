/**
 * Somebody who learns or guesses the idempotency key of another user repeats it, with the very same request, to read the
 * answer that the other one got; or uses it first, so that the other one's request is taken for a repetition and never sent.
 */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startGateway } from '../harness/gateway.ts';
import { later, order, startWorkshop } from '../idempotency/workshop.ts';

const SECRET = 'a secret of at least thirty-two bytes';

function tokenOf(sub: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, iss: 'i', aud: 'a', iat: now, exp: now + 600 })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

const as = (user: string) => ({ headers: { authorization: `Bearer ${tokenOf(user)}` } });

it('the key of another user is another key', async () => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-idempotency-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const workshop = await startWorkshop();
  const gateway = await startGateway({
    data,
    auth: {
      providers: {
        players: { type: 'jwt', issuer: 'i', audience: 'a', algorithms: ['HS256'], secret: SECRET },
      },
    },
    services: { shop: { endpoints: [workshop.url] } },
    routes: [
      {
        name: 'do',
        match: { path: '/do' },
        service: 'shop',
        auth: 'players',
        idempotency: { required: true },
      },
    ],
  });
  const mine = await order(gateway.url, '"k"', as('ann'));
  expect([mine.status, mine.text]).toEqual([201, 'done 1 b']);
  // Neither my answer, nor a word about whether the key is known.
  const other = await order(gateway.url, '"k"', as('bob'));
  expect([other.status, other.replayed, other.text]).toEqual([201, false, 'done 2 b']);
  expect((await order(gateway.url, '"k"', { ...as('eve'), body: 'else' })).status).toBe(201);
  const again = await later(gateway.url, '"k"', as('ann'));
  expect([again.replayed, again.text]).toEqual([true, 'done 1 b']);
  // Who is refused learns nothing and touches nothing.
  expect((await order(gateway.url, '"k"')).status).toBe(401);
  expect((await order(gateway.url, null, as('ann'))).status).toBe(400);
  expect(workshop.executed()).toBe(3);
  // Operators name the user, too.
  expect((await gateway.ask('/idempotency/k?provider=players&user=ann')).body.state).toBe('done');
  expect((await gateway.ask('/idempotency/k?provider=players&user=zoe')).status).toBe(404);
});
