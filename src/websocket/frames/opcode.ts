/** What a frame is (RFC 6455 §5.2). */

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** From here on frames are about the connection: short, never in fragments, and between those of a message. */
export const FIRST_CONTROL = CLOSE;
export const MAX_CONTROL_BYTES = 125;
