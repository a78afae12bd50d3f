/**
 * Session cookies of somebody else, of nobody, of another kind, two at once, and ones that were replaced (CWE-384, CWE-613; RFC 9700
 * §4.14.2 for what happens when an old one comes back). A cookie is 256 random bits, the store knows its hash only, and whoever
 * uses one that was replaced ends all that came from the same login: one of the two is a thief.
 */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../../src/observe/log.ts';
import { type SessionRecord, sessionId } from '../../../../src/services/sessions/session-record.ts';
import { openStore } from '../../../../src/services/store/replica.ts';
import { eventually } from '../../../harness/eventually.ts';
import { get, head } from '../../../harness/raw-client.ts';
import { route, told, useScene } from '../scene.ts';
import { Browser, SID, sessionConfig } from './browser.ts';

const scene = useScene(({ issuer }) => sessionConfig(issuer));
const page = (...cookies: string[]) => get('/page', ...cookies.map((cookie) => `Cookie: ${cookie}`));

/** The store of the running gateway, beside it. */
async function store() {
  const log = createLog({ write() {} }, 'silent', {});
  const opened = await openStore({
    data: join(scene.gateway.file, '../data'),
    redis: null,
    log,
    now: Date.now,
  });
  onTestFinished(() => opened.close());
  return opened;
}

async function loggedIn(user = 'alice'): Promise<Browser> {
  const browser = new Browser(scene);
  await browser.login(user);
  expect(browser.sid).toMatch(/^[A-Za-z0-9_-]{43}$/);
  return browser;
}

/** As if the cookie had been replaced so long ago. */
async function age(sid: string, ms: number): Promise<void> {
  const opened = await store();
  await opened.update<SessionRecord>('session', sessionId(sid), (record) =>
    record?.replacedAt === undefined ? undefined : { ...record, replacedAt: record.replacedAt - ms },
  );
}

async function isDead(sid: string): Promise<void> {
  await eventually(async () => (await scene.ask(page(`${SID}=${sid}`))).status === 401, {
    what: 'its end',
    withinMs: 2000,
  });
}

describe('a session cookie', () => {
  it('is set so that no script, no other site and no plain connection gets it', async () => {
    const browser = new Browser(scene);
    const lines = (await browser.login()).all('set-cookie').filter((line) => line.startsWith(`${SID}=`));
    expect(lines).toEqual([`${SID}=${browser.sid}; Path=/; HttpOnly; Secure; SameSite=Lax`]);
  });

  it('that is invented, changed, cut off or prolonged is refused', async () => {
    const { sid } = await loggedIn();
    await scene.passes(page(`${SID}=${sid}`));
    const flipped = (at: number) => sid.slice(0, at) + (sid[at] === 'A' ? 'B' : 'A') + sid.slice(at + 1);
    const values = [
      'x',
      'A'.repeat(43),
      flipped(0),
      flipped(20),
      flipped(42),
      sid.slice(1),
      sid.slice(0, -1),
      `${sid}A`,
      `${sid}=`,
      `"${sid}"`,
      `${sid},${sid}`,
      sid.toLowerCase(),
      sid.toUpperCase(),
      Buffer.from(sid).toString('base64url'),
      encodeURIComponent(`${sid} `),
      '../../etc/passwd',
      "' OR 1=1--",
      '__proto__',
      'null',
      'undefined',
      '[object Object]',
      'x'.repeat(4000),
    ];
    await scene.refusesAll(
      values.map((value) => page(`${SID}=${value}`)),
      '401 INVALID_SESSION',
      'unknown',
    );
  });

  it('that is what the store knows of a session is refused', async () => {
    const { sid } = await loggedIn();
    const opened = await store();
    const id = sessionId(sid);
    const record = opened.get<SessionRecord & { family: string }>('session', id);
    expect(record?.user).toBe('alice');
    expect(JSON.stringify([...opened.list('session')])).not.toContain(sid);
    const values = [
      id,
      Buffer.from(id, 'hex').toString('base64url'),
      record?.family,
      record?.accessToken,
      record?.refreshToken ?? 'x',
      `web:alice:${id}`,
    ];
    await scene.refusesAll(
      values.map((value) => page(`${SID}=${value}`)),
      '401 INVALID_SESSION',
      'unknown',
    );
  });

  it('of another provider is none of this one', async () => {
    const { sid } = await loggedIn();
    await scene.refuses(get('/shop', `Cookie: __Host-shop=${sid}`), '401 INVALID_SESSION', 'unknown');
    await scene.refuses(get('/shop', `Cookie: ${SID}=${sid}`), '401 UNAUTHENTICATED', 'missing');
  });

  it('under a name that is almost its own is none', async () => {
    const { sid } = await loggedIn();
    const names = [
      'sid',
      '__host-sid',
      '__HOST-SID',
      '__Host-Sid',
      '__Secure-sid',
      'x__Host-sid',
      '__Host-sid2',
      '%5f_Host-sid',
      '__Host_sid',
      '"__Host-sid"',
    ];
    await scene.refusesAll(
      names.map((name) => page(`${name}=${sid}`)),
      '401 UNAUTHENTICATED',
      'missing',
    );
  });

  it('in another place than Cookie is none', async () => {
    const { sid } = await loggedIn();
    const attacks = [
      get(`/page?${SID}=${sid}&sid=${sid}&session=${sid}`),
      get('/page', `Authorization: Bearer ${sid}`),
      get('/page', `X-Session: ${sid}`, `Cookie2: ${SID}=${sid}`),
      get('/page', `Cookie: ${SID}=${sid}`, 'Connection: cookie'),
    ];
    await scene.refusesAll(attacks, '401 UNAUTHENTICATED', 'missing');
  });

  it('of which two come at once is refused, whosever they are', async () => {
    const [alice, bob] = [await loggedIn('alice'), await loggedIn('bob')];
    const attacks = [alice.sid, bob.sid, 'x', ''].flatMap((other) => [
      page(`${SID}=${alice.sid}; ${SID}=${other}`),
      page(`${SID}=${other}; a=b; ${SID}=${alice.sid}`),
      page(`${SID}=${other}`, `${SID}=${alice.sid}`),
      page(`a=b;${SID}=${alice.sid};${SID} = ${other}`),
      head('POST', '/web/logout', 'Content-Length: 0', `Cookie: ${SID}=${alice.sid}; ${SID}=${other}`),
      head('POST', '/web/refresh', 'Content-Length: 0', `Cookie: ${SID}=${alice.sid}; ${SID}=${other}`),
      get('/web/session', `Cookie: ${SID}=${alice.sid}; ${SID}=${other}`),
    ]);
    await scene.refusesAll(attacks, '400 DUPLICATE_CREDENTIALS');
    expect((await scene.passes(page(`${SID}=${alice.sid}`))).headers['x-user-id']).toBe('alice');
  });

  it('of bob makes nobody alice, whatever else the request says', async () => {
    const { sid } = await loggedIn('bob');
    const seen = await scene.passes(
      get(
        '/page',
        `Cookie: user=alice; ${SID}=${sid}; sub=alice`,
        'X-User-Id: alice',
        'X_User: alice'.replace('_', '-'),
      ),
    );
    expect(told(seen, 'x-user-id')).toEqual(['bob']);
  });

  it('does not go on to the service, on a route that takes it', async () => {
    const { sid } = await loggedIn();
    const seen = await scene.passes(page(`a=b; ${SID}=${sid}; c=d`));
    expect(seen.headers.cookie).toBe('a=b; c=d');
    expect(JSON.stringify(seen)).not.toContain(sid);
    // With a bad one nobody is let in on the strength of being anonymous with a cookie.
    const anonymous = await scene.passes(get('/optional', `Cookie: ${SID}=${sid.slice(1)}; c=d`));
    expect(anonymous.headers['x-user-id']).toBeUndefined();
    expect(anonymous.headers.cookie).toBe('c=d');
  });
});

describe('a cookie that was replaced', () => {
  it('serves what was under way, and ends its family when it comes back later', async () => {
    const browser = await loggedIn();
    const old = browser.sid;
    expect((await browser.post('/web/refresh')).status).toBe(200);
    const fresh = browser.sid;
    expect(fresh).not.toBe(old);
    await scene.passes(page(`${SID}=${old}`));
    await scene.passes(page(`${SID}=${fresh}`));
    scene.service.requests.length = 0;

    await age(old, 11_000);
    await isDead(old);
    await isDead(fresh);
    scene.service.requests.length = 0;
    await scene.refuses(page(`${SID}=${old}`), '401 INVALID_SESSION');
    await scene.refuses(page(`${SID}=${fresh}`), '401 INVALID_SESSION');
    await scene.gateway.logged(
      (line) => line.msg === 'audit' && line.event === 'session.reuse' && line.user === 'alice',
    );
  });

  it('cannot be renewed by the thief, which ends the family as well', async () => {
    const browser = await loggedIn();
    const old = browser.sid;
    await browser.post('/web/refresh');
    await browser.post('/web/refresh');
    await age(old, 11_000);
    const thief = new Browser(scene);
    thief.cookies.set(SID, old);
    await eventually(async () => (await thief.post('/web/refresh')).status === 401, { what: 'the refusal' });
    expect(thief.sid).toBe(old);
    await isDead(browser.sid);
  });

  it('ends the family of its own login, and no other of the same person', async () => {
    const [stolen, other] = [await loggedIn(), await loggedIn()];
    const old = stolen.sid;
    await stolen.post('/web/refresh');
    await age(old, 11_000);
    await isDead(old);
    await isDead(stolen.sid);
    expect((await scene.passes(page(`${SID}=${other.sid}`))).headers['x-user-id']).toBe('alice');
  });
});

describe('a cookie from before the login', () => {
  it('is not the one after it (session fixation)', async () => {
    const attacker = await loggedIn('mallory');
    const victim = new Browser(scene);
    victim.cookies.set(SID, attacker.sid);
    await victim.login('alice');
    expect(victim.sid).not.toBe(attacker.sid);
    await isDead(attacker.sid);
    scene.service.requests.length = 0;
    await scene.refuses(page(`${SID}=${attacker.sid}`), '401 INVALID_SESSION');
    const invented = new Browser(scene);
    invented.cookies.set(SID, 'A'.repeat(43));
    await invented.login('alice');
    await scene.refuses(page(`${SID}=${'A'.repeat(43)}`), '401 INVALID_SESSION', 'unknown');
  });

  it('and one from after the logout is of no use', async () => {
    const browser = await loggedIn();
    const { sid } = browser;
    expect((await browser.post('/web/logout')).status).toBe(200);
    expect(browser.sid).toBe('');
    await isDead(sid);
    scene.service.requests.length = 0;
    await scene.refuses(page(`${SID}=${sid}`), '401 INVALID_SESSION', 'unknown');
    const thief = new Browser(scene);
    thief.cookies.set(SID, sid);
    expect((await thief.post('/web/refresh')).status).toBe(401);
    expect((await thief.get('/web/session')).status).toBe(401);
  });
});

describe('a service that gets the access token of the session', () => {
  it('gets that one alone, and none that the browser sends', async () => {
    const browser = await loggedIn();
    const config = sessionConfig(scene.issuer, { forwardToken: true });
    await scene.reconfigure({ ...config, routes: [...config.routes, route('/more', ['web'])] });
    const plain = await scene.passes(page(`${SID}=${browser.sid}`));
    const [ours] = told(plain, 'authorization');
    expect(ours).toMatch(/^Bearer \S+/);
    for (const forged of ['Bearer of.somebody.else', 'Basic YWRtaW46YWRtaW4=', '']) {
      const seen = await scene.passes(
        get('/page', `Cookie: ${SID}=${browser.sid}`, `Authorization: ${forged}`),
      );
      expect(told(seen, 'authorization'), forged).toEqual([ours]);
    }
  });
});
