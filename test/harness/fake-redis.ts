/** A server that speaks the protocol of Redis and answers what the test says: for what a real one cannot be made to do. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface FakeRedis {
  readonly url: string;
  /** What is answered from now on, as it goes over the wire; null: nothing at all. */
  answer: (command: string, args: readonly string[]) => string | null;
  /** Commands that came. */
  readonly seen: string[][];
  stop(): Promise<void>;
}

/** Answers INFO and CLIENT as a healthy server does. */
export async function startFakeRedis(answer: FakeRedis['answer']): Promise<FakeRedis> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let parsed = commandIn(text); parsed !== null; parsed = commandIn(text)) {
        text = text.slice(parsed.length);
        const [name = '', ...args] = parsed.words;
        fake.seen.push(parsed.words);
        const answered = fake.answer(name.toLowerCase(), args);
        if (answered !== null) socket.write(answered, 'latin1');
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const fake: FakeRedis = {
    url: `redis://127.0.0.1:${port}`,
    answer,
    seen: [],
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return fake;
}

export const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

/** What a server says that is asked before it is used. */
export function greeting(command: string): string | null {
  if (command === 'info') return bulk('# Server\r\nredis_version:7.0.0\r\nloading:0\r\n');
  if (command === 'client' || command === 'select' || command === 'auth') return '+OK\r\n';
  return null;
}

function commandIn(text: string): { words: string[]; length: number } | null {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return null;
  let at = head[0].length;
  const words: string[] = [];
  for (let i = 0; i < Number(head[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20));
    if (size === null) return null;
    at += size[0].length;
    const length = Number(size[1]);
    if (text.length < at + length + 2) return null;
    words.push(text.slice(at, at + length));
    at += length + 2;
  }
  return { words, length: at };
}
