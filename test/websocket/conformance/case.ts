/**
 * Cases in the manner of the field's conformance suite for WebSockets, and under its numbers. Each is what one side sends, and what
 * must come of it; the same bytes are sent by clients (masked) and by services (not masked).
 */
import { CLOSE, CONTINUATION, type FrameOptions, PING, PONG, TEXT } from '../../harness/sockets.ts';

/** Makes a frame as the side does that sends it. */
export type Frames = (opcode: number, payload?: Buffer | string, options?: FrameOptions) => Buffer;

/** `open`: nothing has ended, and a close with 1000 is answered. `failed`: the connection is over. A number: closed with this code. */
export type End = 'open' | 'failed' | number;

export interface Case {
  readonly id: string;
  readonly what: string;
  /** Each is written by itself. */
  readonly send: (frames: Frames) => Buffer[];
  /** Messages that arrive, in order. Of those before a failure some may not. */
  readonly messages: readonly (string | Buffer)[];
  /** What pings are answered with, in order. */
  readonly pongs: readonly Buffer[];
  readonly end: End;
  /** Whether messages just before the close are answered is left open. */
  readonly informational?: boolean;
}

type Given = Pick<Case, 'send'> & Partial<Case>;

export function good(id: string, what: string, given: Given): Case {
  return { id, what, messages: [], pongs: [], end: 'open', ...given };
}

export function bad(id: string, what: string, given: Given): Case {
  return { id, what, messages: [], pongs: [], end: 'failed', ...given };
}

export function closes(id: string, what: string, end: number, given: Given): Case {
  return { id, what, messages: [], pongs: [], end, ...given };
}

/** The same bytes in pieces of this size. */
export function chopped(pieces: readonly Buffer[], bytes: number): Buffer[] {
  const whole = Buffer.concat(pieces);
  return Array.from({ length: Math.ceil(whole.length / bytes) }, (_, i) =>
    whole.subarray(i * bytes, (i + 1) * bytes),
  );
}

/** A message in fragments. */
export function fragmented(frames: Frames, opcode: number, parts: readonly (Buffer | string)[]): Buffer[] {
  return parts.map((part, i) =>
    frames(i === 0 ? opcode : CONTINUATION, part, { fin: i === parts.length - 1 }),
  );
}

export const text = (frames: Frames, payload: Buffer | string) => frames(TEXT, payload);
export const ping = (frames: Frames, payload: Buffer | string = '') => frames(PING, payload);
export const pong = (frames: Frames, payload: Buffer | string = '') => frames(PONG, payload);

export function close(frames: Frames, code: number, reason: Buffer | string = ''): Buffer {
  return frames(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]));
}

/** Three ways to write the same: in one go, frame by frame, and byte by byte. */
export function threeWays(id: readonly [string, string, string], one: Omit<Case, 'id'>): Case[] {
  return [
    { ...one, id: id[0], send: (frames) => [Buffer.concat(one.send(frames))] },
    { ...one, id: id[1], what: `${one.what}, frame by frame` },
    { ...one, id: id[2], what: `${one.what}, byte by byte`, send: (frames) => chopped(one.send(frames), 1) },
  ];
}
