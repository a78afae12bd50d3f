/**
 * The service behind every contender. It shares a core with the load, so the measured paths are answered from
 * prepared bytes on raw sockets (about 7 us each, most of it system calls). Everything else, and every request that
 * does not arrive in the plain form a gateway sends, is handed to `node:http`, which answers and closes.
 */
import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { BODIES } from './workloads.ts';

const HEAD_END = '\r\n\r\n';

function prepare(body: string): Buffer {
  const head = [
    'HTTP/1.1 200 OK',
    'Content-Type: application/json',
    'X-Service: bench',
    `Content-Length: ${body.length}`,
  ];
  return Buffer.from(head.join('\r\n') + HEAD_END + body, 'latin1');
}

const answers = new Map(Object.entries(BODIES).map(([path, body]) => [path, prepare(body)]));

interface Arrival {
  answer: Buffer;
  /** Bytes of the body that have not arrived yet. */
  bodyLeft: number;
}

/** Reads a whole head, with or without its body, of a request for a measured path; null for anything else. */
function readPlain(chunk: Buffer): Arrival | null {
  const text = chunk.toString('latin1');
  const headEnd = text.indexOf(HEAD_END);
  const pathStart = text.indexOf(' ') + 1;
  const answer = answers.get(text.slice(pathStart, text.indexOf(' ', pathStart)));
  if (headEnd < 0 || answer === undefined) return null;

  const length = text.startsWith('GET ') ? 0 : Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(text)?.[1]);
  const bodyLeft = length - (text.length - headEnd - HEAD_END.length);
  return bodyLeft >= 0 ? { answer, bodyLeft } : null;
}

function serve(socket: Socket): void {
  let current: Arrival | null = null;

  function onData(chunk: Buffer): void {
    if (current !== null) current.bodyLeft -= chunk.length;
    else current = readPlain(chunk);

    if (current === null) {
      socket.off('data', onData);
      socket.unshift(chunk);
      careful.emit('connection', socket);
    } else if (current.bodyLeft === 0) {
      socket.write(current.answer);
      current = null;
    } else if (current.bodyLeft < 0) {
      socket.destroy();
    }
  }

  socket.on('data', onData);
  socket.on('error', () => socket.destroy());
}

/** `/headers` shows what arrived, `/echo` returns the body with its SHA-256, `/status/NNN` answers that status. */
async function answerCarefully(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const path = req.url ?? '/';

  // The connection goes back to the fast lane only as a new one.
  res.shouldKeepAlive = false;
  res.setHeader('x-service', 'bench');
  res.setHeader('set-cookie', ['a=1', 'b=2']);

  let reply: string | Buffer | undefined;
  if (path === '/headers') {
    reply = JSON.stringify(req.headers);
  } else if (path === '/echo') {
    res.setHeader('x-sha256', createHash('sha256').update(body).digest('hex'));
    reply = body;
  } else if (path in BODIES) {
    res.setHeader('content-type', 'application/json');
    reply = BODIES[path];
  } else {
    res.statusCode = Number(/^\/status\/(\d{3})$/.exec(path)?.[1] ?? 404);
  }
  res.end(reply);
}

const careful = createHttpServer((req, res) => {
  answerCarefully(req, res).catch(() => res.destroy());
});

const server = createServer({ noDelay: true }, serve);
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${port}` }));
});
