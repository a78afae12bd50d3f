import { expect, it } from 'vitest';
import { EventStream } from '../../../src/websocket/sources/event-stream.ts';

const LONG = 1024;

function read(chunks: readonly (string | Buffer)[], maxBytes = LONG) {
  const events: string[] = [];
  let tooLarge = 0;
  const stream = new EventStream(maxBytes, 'last', {
    onEvent: (data, id) => events.push(`${id}|${data}`),
    onTooLarge: () => tooLarge++,
  });
  for (const chunk of chunks) stream.push(Buffer.from(chunk));
  return { events, tooLarge };
}

const STREAM =
  '\uFEFF: hello\r\ndata: one\r\rid: 7\nevent: tick\ndata:two\ndata:  lines\n\nid\ndata\n\nretry: 5\n\nid: a\0b\ndata: é€😀\r\n\r\ndata: unfinished';
const EVENTS = ['last|one', '7|two\n lines', '|', '|é€😀'];

it('reads events, their ids, comments and all kinds of line ends', () => {
  expect(read([STREAM]).events).toEqual(EVENTS);
});

it('reads the same however the bytes are cut', () => {
  const bytes = Buffer.from(STREAM);
  for (const size of [1, 2, 3, 7]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    expect(read(chunks).events).toEqual(EVENTS);
  }
});

it('stops at an event that is larger than it may be, however it grows', () => {
  for (const chunks of [
    [`data: ${'x'.repeat(LONG)}\n\n`],
    Array.from({ length: LONG }, () => 'xx'),
    Array.from({ length: LONG }, () => 'data: xx\n'),
    Array.from({ length: LONG }, () => 'x: xx\n'),
  ]) {
    expect(read(['data: fine\n\n', ...chunks, '\n\ndata: late\n\n'])).toEqual({
      events: ['last|fine'],
      tooLarge: 1,
    });
  }
});
