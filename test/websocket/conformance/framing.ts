/** Sections 1 to 5: frames, pings, reserved bits, opcodes, fragments. */
import { BINARY, CONTINUATION, PING, PONG, TEXT } from '../../harness/sockets.ts';
import { bad, type Case, chopped, fragmented, good, ping, pong, text, threeWays } from './case.ts';

const SIZES = [0, 125, 126, 127, 128, 65_535, 65_536];

const sizes: Case[] = SIZES.flatMap((size, i) => {
  const letters = '*'.repeat(size);
  const bytes = Buffer.alloc(size, 0xfe);
  return [
    good(`1.1.${i + 1}`, `text of ${size} bytes`, { send: (f) => [text(f, letters)], messages: [letters] }),
    good(`1.2.${i + 1}`, `binary of ${size} bytes`, { send: (f) => [f(BINARY, bytes)], messages: [bytes] }),
  ];
});

const inPieces: Case[] = [
  good('1.1.8', 'text of 65536 bytes in pieces of 997', {
    send: (f) => chopped([text(f, '*'.repeat(65_536))], 997),
    messages: ['*'.repeat(65_536)],
  }),
  good('1.2.8', 'binary of 65536 bytes in pieces of 997', {
    send: (f) => chopped([f(BINARY, Buffer.alloc(65_536, 0xfe))], 997),
    messages: [Buffer.alloc(65_536, 0xfe)],
  }),
];

const odd = Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]);
const longest = Buffer.alloc(125, 0xfe);
const ten = Array.from({ length: 10 }, (_, i) => Buffer.from(`payload-${i}`));

const pings: Case[] = [
  good('2.1', 'an empty ping', { send: (f) => [ping(f)], pongs: [Buffer.alloc(0)] }),
  good('2.2', 'a ping with text', { send: (f) => [ping(f, 'Hello')], pongs: [Buffer.from('Hello')] }),
  good('2.3', 'a ping with bytes', { send: (f) => [ping(f, odd)], pongs: [odd] }),
  good('2.4', 'a ping of 125 bytes', { send: (f) => [ping(f, longest)], pongs: [longest] }),
  bad('2.5', 'a ping of 126 bytes', { send: (f) => [ping(f, Buffer.alloc(126, 0xfe))] }),
  good('2.6', 'a ping of 125 bytes, byte by byte', {
    send: (f) => chopped([ping(f, longest)], 1),
    pongs: [longest],
  }),
  good('2.7', 'a pong that nobody asked for', { send: (f) => [pong(f)] }),
  good('2.8', 'a pong with text that nobody asked for', { send: (f) => [pong(f, 'unsolicited')] }),
  good('2.9', 'a pong that nobody asked for, and a ping', {
    send: (f) => [pong(f, 'unsolicited'), ping(f, 'ping')],
    pongs: [Buffer.from('ping')],
  }),
  good('2.10', 'ten pings', { send: (f) => ten.map((payload) => ping(f, payload)), pongs: ten }),
  good('2.11', 'ten pings, byte by byte', {
    send: (f) =>
      chopped(
        ten.map((payload) => ping(f, payload)),
        1,
      ),
    pongs: ten,
  }),
];

const reserved: Case[] = [
  bad('3.1', 'a reserved bit', { send: (f) => [f(TEXT, '*', { reserved: 1 })] }),
  ...threeWays(['3.2', '3.3', '3.4'], {
    what: 'a message, one with a reserved bit, a ping',
    send: (f) => [text(f, '*'), f(TEXT, '*', { reserved: 2 }), ping(f)],
    messages: ['*'],
    pongs: [],
    end: 'failed',
  }),
  bad('3.5', 'two reserved bits on binary', { send: (f) => [f(BINARY, odd, { reserved: 5 })] }),
  bad('3.6', 'two reserved bits on a ping', { send: (f) => [f(PING, 'x', { reserved: 6 })] }),
  bad('3.7', 'all reserved bits on a close', { send: (f) => [f(8, '', { reserved: 7 })] }),
];

/** Of the first of five the payload is empty; from the third on a message comes before it. */
const opcodes: Case[] = [
  [3, 4, 5, 6, 7],
  [11, 12, 13, 14, 15],
].flatMap((section, s) =>
  section.map((opcode, i) =>
    bad(`4.${s + 1}.${i + 1}`, `opcode ${opcode}`, {
      send: (f) => [...(i >= 2 ? [text(f, 'Hello')] : []), f(opcode, i % 2 === 0 ? '' : 'reserved'), ping(f)],
      messages: i >= 2 ? ['Hello'] : [],
    }),
  ),
);

const nothing = {
  what: 'a continuation of nothing, and a message',
  messages: [],
  pongs: [],
  end: 'failed',
} as const;

const five = ['fragment1', 'fragment2', 'fragment3', 'fragment4', 'fragment5'];

const fragments: Case[] = [
  bad('5.1', 'a ping in fragments', { send: (f) => fragmented(f, PING, ['one', 'two']) }),
  bad('5.2', 'a pong in fragments', { send: (f) => fragmented(f, PONG, ['one', 'two']) }),
  ...threeWays(['5.3', '5.4', '5.5'], {
    what: 'text in two fragments',
    send: (f) => fragmented(f, TEXT, ['fragment1', 'fragment2']),
    messages: ['fragment1fragment2'],
    pongs: [],
    end: 'open',
  }),
  ...threeWays(['5.6', '5.7', '5.8'], {
    what: 'text in two fragments with a ping between',
    send: (f) => {
      const [first, second] = fragmented(f, TEXT, ['fragment1', 'fragment2']) as [Buffer, Buffer];
      return [first, ping(f, 'ping payload'), second];
    },
    messages: ['fragment1fragment2'],
    pongs: [Buffer.from('ping payload')],
    end: 'open',
  }),
  ...threeWays(['5.9', '5.10', '5.11'], {
    ...nothing,
    send: (f) => [f(CONTINUATION, 'non-continuation payload'), text(f, 'Hello, world!')],
  }),
  ...threeWays(['5.12', '5.13', '5.14'], {
    ...nothing,
    what: 'a beginning of a continuation of nothing, and a message',
    send: (f) => [f(CONTINUATION, 'non-continuation payload', { fin: false }), text(f, 'Hello, world!')],
  }),
  bad('5.15', 'text in two fragments, a continuation of nothing, and a message', {
    send: (f) => [
      ...fragmented(f, TEXT, ['fragment1', 'fragment2']),
      f(CONTINUATION, 'fragment3', { fin: false }),
      text(f, 'fragment4'),
    ],
    messages: ['fragment1fragment2'],
  }),
  bad('5.16', 'a continuation of nothing and text in two fragments, twice', {
    send: (f) => [
      f(CONTINUATION, 'fragment1', { fin: false }),
      ...fragmented(f, TEXT, ['fragment2', 'fragment3']),
      f(CONTINUATION, 'fragment1', { fin: false }),
      ...fragmented(f, TEXT, ['fragment2', 'fragment3']),
    ],
  }),
  bad('5.17', 'an end of nothing and text in two fragments, twice', {
    send: (f) => [
      f(CONTINUATION, 'fragment1'),
      ...fragmented(f, TEXT, ['fragment2', 'fragment3']),
      f(CONTINUATION, 'fragment1'),
      ...fragmented(f, TEXT, ['fragment2', 'fragment3']),
    ],
  }),
  bad('5.18', 'a message within a message', {
    send: (f) => [f(TEXT, 'fragment1', { fin: false }), f(TEXT, 'fragment2')],
  }),
  ...(['5.19', '5.20'] as const).map((id) =>
    good(id, `text in five fragments with pings between${id === '5.20' ? ', byte by byte' : ''}`, {
      send: (f) => {
        const [a, b, c, d, e] = fragmented(f, TEXT, five) as [Buffer, Buffer, Buffer, Buffer, Buffer];
        const frames = [a, b, ping(f, 'pongme 1!'), c, d, ping(f, 'pongme 2!'), e];
        return id === '5.20' ? chopped(frames, 1) : frames;
      },
      messages: [five.join('')],
      pongs: [Buffer.from('pongme 1!'), Buffer.from('pongme 2!')],
    }),
  ),
];

export const FRAMING: readonly Case[] = [
  ...sizes,
  ...inPieces,
  ...pings,
  ...reserved,
  ...opcodes,
  ...fragments,
];
