/**
 * Sockets that say nothing: `node idle.ts URL COUNT RATE FIRST` opens so many, so many a second, from loopback addresses of its own
 * (127.0.FIRST.1 and up). Says in one line of JSON how that went, and keeps them until it is ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerPings, openRaw } from './raw-socket.ts';

export interface IdleReady {
  readonly opened: number;
  readonly failed: number;
  readonly seconds: number;
  /** The slowest handshake. */
  readonly slowestMs: number;
  /** The first failure, in words. */
  readonly why: string;
}

const TICK_MS = 20;
/** Connections from one address: ports are fewer than sockets. */
const PER_ADDRESS = 5_000;

const [, , target, count, rate, first] = process.argv;
const url = new URL(target as string);
const total = Number(count);
let begun = 0;
let opened = 0;
let failed = 0;
let slowestMs = 0;
let why = '';

async function openOne(i: number): Promise<void> {
  const from = `127.0.${first}.${1 + Math.floor(i / PER_ADDRESS)}`;
  const startedAt = performance.now();
  try {
    const socket = await openRaw({ url, path: '/echo', from });
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    opened++;
    answerPings(socket);
  } catch (error) {
    failed++;
    why ||= (error as Error).message;
  }
}

const startedAt = performance.now();
while (begun < total) {
  const due = Math.min(total, Math.ceil(((performance.now() - startedAt) / 1000) * Number(rate)));
  while (begun < due) void openOne(begun++);
  await sleep(TICK_MS);
}
while (opened + failed < total) await sleep(TICK_MS);
const seconds = (performance.now() - startedAt) / 1000;
const result: IdleReady = { opened, failed, seconds, slowestMs, why };
console.log(JSON.stringify({ msg: 'ready', url: '', ...result }));
setInterval(() => {}, 1 << 30);
