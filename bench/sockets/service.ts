/**
 * The service behind the sockets: `node service.ts`. On `/echo` it sends back what it gets. On `/feed` a number asks for so many
 * bytes, 25 MiB a second, and for a hundred messages of 1 KiB a second from then on, while the connection takes them.
 */
import type { WebSocket } from '../../src/listen/addon/uws.ts';

type Listeners = typeof import('../../src/listen/addon/uws.ts');

const MESSAGE = Buffer.alloc(1024, 'x');
/** Few and large: each that cannot be sent is a call of the kernel, for which everybody waits. */
const LARGE_MESSAGE = Buffer.alloc(16 * 1024, 'x');
const LARGE_AT_ONCE = 16;
const FEED_EVERY_MS = 10;

interface Data {
  feed: NodeJS.Timeout | undefined;
}

const { loadUws } = (await import(
  new URL('../../dist/listen/addon/uws.js', import.meta.url).href
)) as Listeners;
const uws = loadUws(16_384);
const behavior = {
  maxPayloadLength: 16 * 2 ** 20,
  maxBackpressure: 0,
  idleTimeout: 0,
  sendPingsAutomatically: false,
} as const;

const app = uws
  .App()
  .ws('/echo', {
    ...behavior,
    message(ws, message, isBinary) {
      ws.send(message, isBinary);
    },
  })
  .ws<Data>('/feed', {
    ...behavior,
    open(ws) {
      ws.getUserData().feed = undefined;
    },
    message(ws, message) {
      feed(ws, Number(Buffer.from(message).toString()));
    },
    close(ws) {
      clearInterval(ws.getUserData().feed);
    },
  });

function feed(ws: WebSocket<Data>, bytes: number): void {
  let left = bytes;
  ws.getUserData().feed = setInterval(() => {
    // As any service must: to ask the kernel again with all that waits would take its time from everybody else.
    if (left <= 0) return void (ws.getBufferedAmount() === 0 && ws.send(MESSAGE, true));
    for (let i = 0; i < LARGE_AT_ONCE; i++) ws.send(LARGE_MESSAGE, true);
    left -= LARGE_AT_ONCE * LARGE_MESSAGE.length;
  }, FEED_EVERY_MS);
}

// On all loopback addresses: as many connections to each as there are ports.
app.listen('0.0.0.0', 0, (socket) => {
  const port = uws.us_socket_local_port(socket as never);
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${port}` }));
});
