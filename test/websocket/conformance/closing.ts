/** Sections 7, 9 and 10: closes, large messages and many of them. */
import { BINARY, CLOSE, TEXT } from '../../harness/sockets.ts';
import { bad, type Case, chopped, close, closes, fragmented, good, ping, text } from './case.ts';

const large = '*'.repeat(256 * 1024);

const order: Case[] = [
  good('7.1.1', 'a message, and a close when it has come', {
    send: (f) => [text(f, 'Hello World!')],
    messages: ['Hello World!'],
  }),
  closes('7.1.2', 'two closes', 1000, { send: (f) => [close(f, 1000), close(f, 1000)] }),
  closes('7.1.3', 'a ping behind a close', 1000, { send: (f) => [close(f, 1000), ping(f)] }),
  closes('7.1.4', 'a message behind a close', 1000, { send: (f) => [close(f, 1000), text(f, 'Hello')] }),
  closes('7.1.5', 'the rest of a message behind a close', 1000, {
    send: (f) => {
      const [first, second] = fragmented(f, TEXT, ['fragment1', 'fragment2']) as [Buffer, Buffer];
      return [first, close(f, 1000), second];
    },
  }),
  closes('7.1.6', 'a large message, a close and a ping', 1000, {
    send: (f) => [text(f, large), close(f, 1000), ping(f)],
    messages: [large],
    informational: true,
  }),
];

const payloads: Case[] = [
  closes('7.3.1', 'an empty close', 1005, { send: (f) => [f(CLOSE)] }),
  bad('7.3.2', 'a close of one byte', { send: (f) => [f(CLOSE, 'a')] }),
  closes('7.3.3', 'a close without a reason', 1000, { send: (f) => [close(f, 1000)] }),
  closes('7.3.4', 'a close with a reason', 1000, { send: (f) => [close(f, 1000, 'Hello World!')] }),
  closes('7.3.5', 'a close with the longest reason', 1000, {
    send: (f) => [close(f, 1000, '*'.repeat(123))],
  }),
  bad('7.3.6', 'a close with a longer reason', { send: (f) => [close(f, 1000, '*'.repeat(124))] }),
  bad('7.5.1', 'a reason that is no UTF-8', {
    send: (f) => [close(f, 1000, Buffer.from('cebae1bdb9cf83cebcceb5eda080656469746564', 'hex'))],
  }),
];

const VALID = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1012, 1013, 1014,
];
const INVALID = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

const codes: Case[] = [
  ...VALID.map((code, i) =>
    closes(`7.7.${i + 1}`, `a close with ${code}`, code, { send: (f) => [close(f, code)] }),
  ),
  ...INVALID.map((code, i) => bad(`7.9.${i + 1}`, `a close with ${code}`, { send: (f) => [close(f, code)] })),
  ...[5000, 65_535, 1015].map((code, i) =>
    bad(`7.13.${i + 1}`, `a close with ${code}`, { send: (f) => [close(f, code)] }),
  ),
];

const LARGE = [64, 256, 1024, 4096].map((kib) => kib * 1024);

const sizes: Case[] = LARGE.flatMap((size, i) => {
  const letters = 'x'.repeat(size);
  const bytes = Buffer.alloc(size, 0xfe);
  const n = i + 1;
  const parts = (data: Buffer, count: number) => chopped([data], Math.ceil(size / count));
  return [
    good(`9.1.${n}`, `text of ${size} bytes`, { send: (f) => [text(f, letters)], messages: [letters] }),
    good(`9.2.${n}`, `binary of ${size} bytes`, { send: (f) => [f(BINARY, bytes)], messages: [bytes] }),
    good(`9.3.${n}`, `text of ${size} bytes in 64 fragments`, {
      send: (f) => fragmented(f, TEXT, parts(Buffer.from(letters), 64)),
      messages: [letters],
    }),
    good(`9.4.${n}`, `binary of ${size} bytes in 64 fragments`, {
      send: (f) => fragmented(f, BINARY, parts(bytes, 64)),
      messages: [bytes],
    }),
  ];
});

const many: Case[] = [0, 16, 64, 256, 1024, 4096].flatMap((size, i) => {
  const letters = Array.from({ length: 200 }, () => '*'.repeat(size));
  const bytes = letters.map((one) => Buffer.from(one));
  return [
    good(`9.7.${i + 1}`, `200 texts of ${size} bytes`, {
      send: (f) => letters.map((one) => text(f, one)),
      messages: letters,
    }),
    good(`9.8.${i + 1}`, `200 binary messages of ${size} bytes at once`, {
      send: (f) => [Buffer.concat(bytes.map((one) => f(BINARY, one)))],
      messages: bytes,
    }),
  ];
});

const fragments: Case[] = [
  good('10.1.1', 'text of 65536 bytes in fragments of 1300', {
    send: (f) => fragmented(f, TEXT, chopped([Buffer.alloc(65_536, '*')], 1300)),
    messages: ['*'.repeat(65_536)],
  }),
];

export const CLOSING: readonly Case[] = [...order, ...payloads, ...codes, ...sizes, ...many, ...fragments];
