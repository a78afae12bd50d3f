import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { adoptable } from '../../src/control/restart-needed.ts';
import { configOf, mistakesIn } from './mistakes.ts';

const route = (websocket: string, name = 'game') =>
  `  - { name: ${name}, match: { path: /${name} }, service: game, websocket: ${websocket} }\n`;
const file = (...websockets: string[]) =>
  `services: { game: { endpoints: ["http://127.0.0.1:9001"] } }\nroutes:\n${websockets.map((one, i) => route(one, `r${i}`)).join('')}`;
const socketOf = (text: string) => configOf(file(text)).routes[0]!.websocket!;

/** `path  what is wrong`, without positions. */
function wrong(...websockets: string[]): string[] {
  return mistakesIn(file(...websockets)).map((mistake) =>
    mistake.replace(/^\d+:\d+ {2}routes\[(\d)\]\.websocket\.?/, (_all, i) => (i === '0' ? '' : `${i}.`)),
  );
}

describe('what one socket may do', () => {
  it('is anything but a thousand pings, unless it is said', () => {
    expect(socketOf('true')).toMatchObject({
      slow: 'pause',
      pings: { count: 100, periodMs: 1000 },
      compression: { mode: 'off' },
    });
    for (const option of ['conflate', 'messages', 'schema'] as const)
      expect(socketOf('true')[option]).toBeUndefined();
    expect(socketOf('{ pings: off }').pings).toBeNull();
  });

  it('is read as it is written', () => {
    const written = socketOf(
      '{ slow: conflate, conflate: { key: { bytes: [0, 4] }, protect: { opcodes: [3, 7] }, maxRate: 20/s }, messages: { rate: 50/s, burst: 100, bytes: 64KiB/s, over: delay }, schema: { opcodes: [1, 2] }, compression: shared }',
    );
    expect(written).toMatchObject({
      conflate: {
        key: { bytes: [0, 4] },
        protect: { opcodes: [3, 7] },
        maxRate: { count: 20, periodMs: 1000 },
        memory: 4 * 1024 * 1024,
      },
      messages: {
        rate: { count: 50, periodMs: 1000 },
        burst: 100,
        bytes: { bytes: 65_536, periodMs: 1000 },
        over: 'delay',
        notice: 'auto',
      },
      schema: { opcodes: [1, 2], over: 'reject' },
      compression: { mode: 'shared', minBytes: 1024 },
    });
  });

  it.each<[string, string[]]>([
    [
      '{ slow: conflate }',
      ['slow  nothing says which messages may be left out; expected conflate: { key: /symbol } beside it'],
    ],
    ['{ conflate: { key: /k } }', ['conflate  slow: pause leaves nothing out; expected slow: conflate']],
    [
      '{ slow: conflate, conflate: { key: symbol } }',
      ['conflate.key  "symbol" is not allowed here; expected a JSON pointer such as /symbol or /data/id'],
    ],
    [
      '{ slow: conflate, conflate: { key: { bytes: [4, 4] } } }',
      ['conflate.key.bytes  no byte lies between 4 and 4; expected a second number above the first'],
    ],
    [
      '{ slow: conflate, conflate: { key: /k, protect: { pointer: /t } } }',
      ['conflate.protect.in  is missing; expected a list'],
    ],
    ['{ messages: { over: close } }', ['messages  this limits nothing; expected rate, bytes, or both']],
    [
      '{ messages: { bytes: 1KiB/s, burst: 3 } }',
      ['messages.burst  burst goes with a rate; expected rate: 50/s'],
    ],
    [
      '{ messages: { bytes: 64/week } }',
      ['messages.bytes  "64/week" is not a rate of bytes; expected a rate such as 64KiB/s or 10MiB/min'],
    ],
    [
      '{ messages: { rate: 50/s, over: drop } }',
      ['messages.over  "drop" is not allowed here; expected reject, close, delay'],
    ],
    ['{ schema: { over: close } }', ['schema  this demands nothing; expected one of json, file, opcodes']],
    [
      '{ schema: { opcodes: [1], file: a.json } }',
      ['schema  these exclude each other; expected one of json, file, opcodes'],
    ],
    [
      '{ schema: { json: { properties: { a: { type: txt } } } } }',
      ['schema.json.properties.a.type  must be equal to one of the allowed values; expected a JSON Schema'],
    ],
    [
      '{ schema: { json: { propertys: {} } } }',
      ['schema.json  strict mode: unknown keyword: "propertys"; expected a JSON Schema'],
    ],
    ['{ compresion: shared }', ['compresion  unknown option "compresion"; did you mean compression?']],
  ])('%s', (websocket, mistakes) => {
    expect(
      wrong(websocket).map((one) => one.replace(/; expected one of maxMessage.*; did/, '; did')),
    ).toEqual(mistakes);
  });

  it('is not for channels', () => {
    const text = `routes:
  - { name: feed, match: { path: /feed }, channels: { allow: ['a.*'] }, websocket: { pings: off, compression: shared } }
`;
    expect(mistakesIn(text).map((mistake) => mistake.split('  ').slice(1).join('  '))).toEqual([
      'routes[0].websocket.pings  pings is for sockets to a service, and this route has channels',
      'routes[0].websocket.compression  compression is for sockets to a service, and this route has channels',
    ]);
  });

  it('has positions, in a schema too', () => {
    const text = `services: { game: { endpoints: ["http://127.0.0.1:9001"] } }
routes:
  - name: game
    match: { path: /game }
    service: game
    websocket:
      schema:
        json:
          type: object
          properties:
            price: { type: decimal }
`;
    expect(mistakesIn(text)).toEqual([
      expect.stringMatching(/^11:28 {2}routes\[0\]\.websocket\.schema\.json\.properties\.price\.type {2}/),
    ]);
  });
});

describe('a schema in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-schema-'));
  const parse = (name: string) =>
    parseConfig(file(`{ schema: { file: ${name} } }`), join(folder, 'sluice.yaml'), {});

  it('is read with the configuration', () => {
    const json = { type: 'object', required: ['op'] };
    writeFileSync(join(folder, 'moves.json'), JSON.stringify(json));
    const result = parse('moves.json');
    expect(result.ok && result.config.routes[0]!.websocket!.schema).toEqual({
      json,
      over: 'reject',
      notice: 'auto',
    });
  });

  it.each([
    ['none.json', null, /none\.json cannot be read: ENOENT/],
    ['broken.json', '{', /broken\.json cannot be read: .*JSON/],
    ['list.json', '[]', /list\.json holds no JSON Schema/],
    ['wrong.json', '{"properties":{"a":{"type":1}}}', /wrong\.json at \/properties\/a\/type: /],
  ])('%s', (name, content, message) => {
    if (content !== null) writeFileSync(join(folder, name), content);
    const result = parse(name);
    expect(result.ok ? [] : result.mistakes).toMatchObject([
      { path: 'routes[0].websocket.schema.file', message: expect.stringMatching(message) },
    ]);
  });
});

describe('compression', () => {
  it('is of one mode for all routes', () => {
    expect(
      wrong('{ compression: shared }', '{ compression: { mode: dedicated } }', '{ compression: off }'),
    ).toEqual([
      '1.compression.mode  the route on line 3 says shared; expected one mode for all routes that compress',
    ]);
  });

  it('is what the listeners began with', () => {
    const [off, shared] = ['off', 'shared'].map((mode) => configOf(file(`{ compression: ${mode} }`)));
    const needed = (from: typeof off, to: typeof off) => adoptable(from!, to!).restartNeeded;
    expect(needed(off, shared)).toEqual([
      { path: 'websocket.compression', running: 'off', configured: 'shared' },
    ]);
    expect(needed(shared, off)).toEqual([]);
    // It is said with each reload, not with the first alone.
    expect(adoptable(shared!, shared!, off!).restartNeeded).toEqual(needed(off, shared));
  });
});
