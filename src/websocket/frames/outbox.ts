/**
 * Writes frames to a socket. The first in a turn of the event loop goes at once; what follows it in the same turn goes together at
 * its end, because a write costs more than all else that happens to a message.
 */
import type { Writable } from 'node:stream';

/** Frames are gathered up to this many bytes; a larger one is not copied. */
const MOST_BYTES = 16 * 1024;

let turn = 0;
let counting = false;
/** Those that have something to write when the turn ends. */
let gathering: Outbox[] = [];

function endTurn(): void {
  turn++;
  counting = false;
  const all = gathering;
  gathering = [];
  for (const outbox of all) outbox.flush();
}

export class Outbox {
  readonly #socket: Writable;
  /** In which it has last written. */
  #turn = -1;
  #frames: Buffer[] | null = null;
  #bytes = 0;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** Bytes that the other side has not taken. */
  get waiting(): number {
    return this.#socket.writableLength + this.#bytes;
  }

  write(frame: Buffer): void {
    if (this.#turn !== turn) {
      this.#turn = turn;
      if (!counting) setImmediate(endTurn);
      counting = true;
    } else if (frame.length < MOST_BYTES) return this.#gather(frame);
    this.flush();
    this.#socket.write(frame);
  }

  /** What has been gathered goes now. */
  flush(): void {
    if (this.#frames === null) return;
    const frames = this.#frames;
    this.#frames = null;
    this.#bytes = 0;
    this.#socket.write(Buffer.concat(frames));
  }

  #gather(frame: Buffer): void {
    if (this.#frames === null) {
      this.#frames = [frame];
      gathering.push(this);
    } else {
      this.#frames.push(frame);
    }
    this.#bytes += frame.length;
    if (this.#bytes >= MOST_BYTES) this.flush();
  }
}
