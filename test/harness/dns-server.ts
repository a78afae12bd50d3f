/**
 * A name server on a UDP port (and the TCP port of the same number, for answers that are too long), told by the test what
 * it says.
 *
 *   const dns = await startDnsServer();
 *   dns.zone['quotes.test'] = { A: ['10.0.0.1'], ttl: 5 };
 *   dns.mode = 'SERVFAIL';
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface DnsRecords {
  A?: string[];
  AAAA?: string[];
  SRV?: { priority?: number; weight?: number; port: number; target: string }[];
  /** Seconds, of all of them. */
  ttl?: number;
}

export interface RunningDnsServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** By name in lower case; a name that is not there does not exist. */
  zone: Record<string, DnsRecords>;
  /** `silent` answers nobody. */
  mode: 'answer' | 'SERVFAIL' | 'REFUSED' | 'silent' | 'garbage';
  /** `TYPE name` of each question so far. */
  readonly questions: string[];
  close(): Promise<void>;
}

const TYPES: Readonly<Record<number, 'A' | 'AAAA' | 'SRV'>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };
const MOST_UDP_BYTES = 1232;

export async function startDnsServer(): Promise<RunningDnsServer> {
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}));
    socket.on('data', (data) => {
      const answer = answerTo(server, data.subarray(2), 65_535);
      if (answer === null) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    });
  });
  const udp = await bindBoth(tcp);
  const { port } = udp.address();
  const server: RunningDnsServer = {
    address: `127.0.0.1:${port}`,
    zone: {},
    mode: 'answer',
    questions: [],
    async close() {
      udp.close();
      for (const socket of sockets) socket.destroy();
      tcp.close();
      await once(tcp, 'close');
    },
  };
  udp.on('message', (question, { port, address }) => {
    const answer = answerTo(server, question, MOST_UDP_BYTES);
    if (answer !== null) udp.send(answer, port, address);
  });
  try {
    onTestFinished(() => server.close());
  } catch {
    // Started in a hook.
  }
  return server;
}

/** One port for both: another one when somebody has the second of the two. */
async function bindBoth(tcp: Server): Promise<UdpSocket> {
  for (;;) {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    try {
      tcp.listen(udp.address().port, '127.0.0.1');
      await once(tcp, 'listening');
      return udp;
    } catch {
      udp.close();
    }
  }
}

/** RFC 1035 §4, one question each. null: nothing is said. */
function answerTo(server: RunningDnsServer, question: Buffer, mostBytes: number): Buffer | null {
  const { name, end } = readName(question, 12);
  const type = TYPES[question.readUInt16BE(end)];
  server.questions.push(`${type} ${name}`);
  if (server.mode === 'silent') return null;
  if (server.mode === 'garbage') return Buffer.concat([question.subarray(0, 2), Buffer.alloc(40, 0xff)]);
  const found = server.zone[name.toLowerCase()];
  const code = server.mode === 'SERVFAIL' ? 2 : server.mode === 'REFUSED' ? 5 : found === undefined ? 3 : 0;
  const records = code === 0 && found && type ? recordsOf(found, type) : [];
  const head = Buffer.from(question.subarray(0, 12));
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  const answer = Buffer.concat([head, question.subarray(12, end + 4), ...records]);
  if (answer.length <= mostBytes) return answer;
  head.writeUInt16BE(0x8380, 2); // truncated: ask again over TCP
  head.writeUInt16BE(0, 6);
  return Buffer.concat([head, question.subarray(12, end + 4)]);
}

function recordsOf(
  { A = [], AAAA = [], SRV = [], ttl = 0 }: DnsRecords,
  type: 'A' | 'AAAA' | 'SRV',
): Buffer[] {
  const [code, data] = {
    A: [1, A.map((address) => Buffer.from(address.split('.').map(Number)))] as const,
    AAAA: [28, AAAA.map(ipv6Bytes)] as const,
    SRV: [33, SRV.map(srvBytes)] as const,
  }[type];
  return data.map((bytes) => {
    const head = Buffer.alloc(12);
    head.writeUInt16BE(0xc00c, 0); // the name of the question
    head.writeUInt16BE(code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt32BE(ttl, 6);
    head.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([head, bytes]);
  });
}

function srvBytes({
  priority = 0,
  weight = 0,
  port,
  target,
}: NonNullable<DnsRecords['SRV']>[number]): Buffer {
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16BE(priority, 0);
  numbers.writeUInt16BE(weight, 2);
  numbers.writeUInt16BE(port, 4);
  const labels = target === '.' ? [] : target.split('.');
  const name = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([numbers, ...name, Buffer.from([0])]);
}

function ipv6Bytes(address: string): Buffer {
  if (!isIPv6(address)) throw new Error(`${address} is no IPv6 address`);
  const [head = '', tail = ''] = address.split('::');
  const words = (part: string) =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [first, rest] = [words(head), words(tail)];
  const bytes = Buffer.alloc(16);
  const all = [...first, ...Array(8 - first.length - rest.length).fill(0), ...rest];
  for (const [i, word] of all.entries()) bytes.writeUInt16BE(word, 2 * i);
  return bytes;
}

function readName(message: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = from;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}
