/** Late answers get company: the first one wins, and the client sees exactly one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head } from '../harness/raw-client.ts';
import { ok, type Script, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from '../proxy/books.ts';
import { accessLine, counted } from './counts.ts';

let a: ScriptedService;
let b: ScriptedService;
let gateway: RunningGateway;
const budget = { share: '100%', minimum: 100 };

beforeAll(async () => {
  a = await startScriptedService();
  b = await startScriptedService();
  const endpoints = [a.url, b.url];
  const hedge = { after: '60ms', budget };
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      pair: { endpoints, hedge },
      brief: { endpoints, hedge, timeouts: { firstByte: '400ms' } },
      patient: { endpoints, hedge: { after: '5s', budget } },
      alone: { endpoints: [a.url], hedge },
      poor: { endpoints, hedge: { after: '60ms', budget: { share: 0, minimum: 0 } } },
      usual: { endpoints, hedge: { after: 'p90', budget } },
      both: {
        endpoints,
        hedge,
        retries: { attempts: 1, on: ['reset', 503], backoff: { base: '1ms' }, budget },
      },
    },
    routes: ['pair', 'brief', 'patient', 'alone', 'poor', 'usual', 'both'].map((name) => ({
      name,
      match: { path: `/${name}/*` },
      service: name,
    })),
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await a?.close();
  await b?.close();
});

/** Whichever endpoint gets the first request answers like this, the one that gets the second like that. */
function inTurn(path: string, ...scripts: Script[]): void {
  let n = 0;
  for (const service of [a, b]) {
    service.on(path, async (socket, request) => {
      const script = scripts[Math.min(n++, scripts.length - 1)] as Script;
      await request.whole;
      await script(socket, request);
    });
  }
}

function requests(path: string) {
  return [...a.to(path), ...b.to(path)];
}

const later = (ms: number, text: string): Script => {
  return (socket) => void setTimeout(() => socket.destroyed || socket.write(ok(text, `X-From: ${text}`)), ms);
};
const never: Script = () => {};

/** The first resets its connection when the second is there, which then does as it is told. */
function together(then: Script): [first: Script, second: Script] {
  const both = Promise.withResolvers<void>();
  return [
    async (socket) => {
      await both.promise;
      socket.resetAndDestroy();
    },
    async (socket, request) => {
      both.resolve();
      await then(socket, request);
    },
  ];
}

describe('an answer that is late', () => {
  it.each([
    ['GET', '/pair/get'],
    ['HEAD', '/pair/head'],
  ])('to %s is overtaken by that of another endpoint, and what is late is given up', async (method, path) => {
    inTurn(path, never, later(0, method === 'GET' ? 'second' : ''));
    const answer = await exchangeRaw(gateway.url, head(method, path));
    expect(answer.status).toBe(200);
    if (method === 'GET') expect(answer.body.toString()).toBe('second');
    expect([a.to(path).length, b.to(path).length]).toEqual([1, 1]);
    const line = await accessLine(gateway, path);
    expect(line).toMatchObject({ status: 200, attempts: 2 });
    const [first] = requests(path).filter(({ socket }) => socket.destroyed || socket.readableEnded);
    await eventually(() => requests(path).some(({ socket }) => socket.destroyed || socket.readableEnded));
    expect(first === undefined || first.method === method).toBe(true);
    expect(line.upstream_ms).toBeGreaterThanOrEqual(55);
    expect(line.upstream_ms as number).toBeLessThanOrEqual(line.duration_ms as number);
  });

  it('wins all the same when it comes before the second one', async () => {
    inTurn('/pair/first-wins', later(150, 'first'), never);
    const answer = await exchangeRaw(gateway.url, get('/pair/first-wins'));
    expect(answer.body.toString()).toBe('first');
    expect(requests('/pair/first-wins')).toHaveLength(2);
    expect(answer.all('x-from')).toEqual(['first']);
  });

  it('is one answer to the client when both come at the same moment', async () => {
    inTurn('/pair/both', later(100, 'first'), later(20, 'other'));
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 10; i++) {
      inTurn('/pair/both', later(85, 'first'), later(5, 'other'));
      expect((await client.send(get('/pair/both')).answer()).body.toString()).toMatch(/^(first|other)$/);
    }
    await sleep(100);
    expect(client.received.toString()).toBe('');
  });

  it('is a failure when neither comes', async () => {
    inTurn('/brief/never', never);
    const answer = await exchangeRaw(gateway.url, get('/brief/never'));
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_FIRST_BYTE_TIMEOUT');
    expect(requests('/brief/never')).toHaveLength(2);
  });

  it('is waited for when the second endpoint fails', async () => {
    inTurn('/pair/second-fails', later(200, 'first'), (socket) => void socket.resetAndDestroy());
    expect((await exchangeRaw(gateway.url, get('/pair/second-fails'))).body.toString()).toBe('first');
  });

  it('is waited for when the second endpoint answers with an error', async () => {
    const error: Script = (socket) => void socket.write(ok('error').replace('200 OK', '500 Oh'));
    inTurn('/pair/second-error', later(200, 'first'), error);
    const answer = await exchangeRaw(gateway.url, get('/pair/second-error'));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'first']);
  });

  it('loses to the second one when it fails', async () => {
    const [waits, second] = together(later(50, 'second'));
    inTurn('/pair/first-fails', waits, second);
    expect((await exchangeRaw(gateway.url, get('/pair/first-fails'))).body.toString()).toBe('second');
  });

  it('leaves nothing behind when the client does not wait for it', async () => {
    inTurn('/pair/gone', never);
    const client = await connectRaw(gateway.url);
    client.send(get('/pair/gone'));
    await eventually(() => requests('/pair/gone').length === 2);
    client.reset();
    expect(await accessLine(gateway, '/pair/gone')).toMatchObject({ status: 499, attempts: 2 });
    await eventually(() => requests('/pair/gone').every(({ socket }) => socket.destroyed));
  });

  it('that fails both times is tried again as configured', async () => {
    const [waits, second] = together((socket) => void socket.resetAndDestroy());
    inTurn('/both/retry', waits, second, later(0, 'third'));
    expect((await exchangeRaw(gateway.url, get('/both/retry'))).body.toString()).toBe('third');
  });
});

describe('one request it remains', () => {
  it('when the answer is in time', async () => {
    inTurn('/patient/in-time', later(50, 'first'));
    await exchangeRaw(gateway.url, get('/patient/in-time'));
    expect(requests('/patient/in-time')).toHaveLength(1);
  });

  it.each([
    ['a POST', head('POST', '/pair/unsafe')],
    ['a PUT', head('PUT', '/pair/unsafe')],
    ['a GET with a body', `${head('GET', '/pair/unsafe', 'Content-Length: 4')}body`],
  ])('when it is %s', async (_what, request) => {
    const before = requests('/pair/unsafe').length;
    inTurn('/pair/unsafe', later(200, 'first'));
    await exchangeRaw(gateway.url, request);
    expect(requests('/pair/unsafe').length - before).toBe(1);
  });

  it('when there is no other endpoint', async () => {
    inTurn('/alone/a', later(200, 'first'));
    await exchangeRaw(gateway.url, get('/alone/a'));
    expect(requests('/alone/a')).toHaveLength(1);
  });

  it('when the budget is used up', async () => {
    inTurn('/poor/a', later(200, 'first'));
    await exchangeRaw(gateway.url, get('/poor/a'));
    expect(requests('/poor/a')).toHaveLength(1);
    expect(await counted(gateway, 'sluice_hedges_total')).toMatchObject({
      'service="poor",result="budget"': 1,
    });
  });
});

it('a percentile is learnt from the answers before', async () => {
  inTurn('/usual/slow', never, later(0, 'second'));
  const client = await connectRaw(gateway.url);
  for (let i = 0; i < 30; i++) await client.send(get(`/usual/${i}`)).answer();
  expect((await client.send(get('/usual/slow')).answer()).body.toString()).toBe('second');
  expect(requests('/usual/slow')).toHaveLength(2);
});

it('what is sent, and what wins, is counted', async () => {
  const counts = await eventually(async () => {
    const found = await counted(gateway, 'sluice_hedges_total');
    return found['service="usual",result="won"'] === 1 ? found : null;
  });
  expect(counts['service="pair",result="sent"']).toBeGreaterThan(counts['service="pair",result="won"']);
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
