/** The frame codec of `ws`, which its types leave out. */
import type { Duplex, Writable } from 'node:stream';
import * as ws from 'ws';

/** Emits `message`, `ping`, `pong`, `conclude` (a close frame) and `error`. */
type ReceiverClass = new (options: { maxPayload: number; allowSynchronousEvents: boolean }) => Writable;

interface Frames {
  send(
    data: Buffer,
    options: { binary: boolean; fin: boolean; mask: boolean; compress: boolean },
    done: () => void,
  ): void;
  ping(data: Buffer, mask: boolean, done: () => void): void;
  pong(data: Buffer, mask: boolean, done: () => void): void;
  close(code: number | undefined, reason: string | Buffer, mask: boolean, done: () => void): void;
}

type SenderClass = new (socket: Duplex) => Frames;

export const { Receiver, Sender } = ws as unknown as { Receiver: ReceiverClass; Sender: SenderClass };
export type Receiver = InstanceType<ReceiverClass>;
export type Sender = InstanceType<SenderClass>;
