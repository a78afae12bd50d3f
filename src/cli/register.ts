import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { spanIn } from '../services/records/time-words.js';
import {
  formatInstance,
  type Instance,
  InstanceFault,
  idFault,
  readInstance,
} from '../services/registry/instance.js';
import { LONGEST_LEASE_MS } from '../services/registry/layout.js';
import { type Command, FAILED, type Input, UsageError } from './command.js';
import { Heartbeat } from './register/heartbeat.js';
import { atGateway, inRedis, type Lease, type Place } from './register/place.js';
import { healthAnswers, portAnswers } from './register/readiness.js';
import { wrapProcess } from './register/wrapped-process.js';

const SERVICE = /^[a-z0-9][a-z0-9._-]*$/;

export const register: Command = {
  usage: '--service NAME --url URL (--redis URL | --admin URL…) [OPTIONS] -- CMD [ARG]…',
  description: `Runs a command, which is an instance of a service, and keeps it registered while it runs: for services with "discover: registry".
It is registered when its port answers, or --health, and taken out when it ends, or before a signal that ends it is passed on.
Standard input and output are the command's own; what happens is said on standard error. Exit code: that of the command,
128 + n if signal n ended it, 127 or 126 if it could not be started.`,
  options: {
    service: {
      type: 'string',
      value: 'NAME',
      required: true,
      description: 'The service, as gateways know it.',
    },
    url: {
      type: 'string',
      value: 'URL',
      required: true,
      description: 'Where gateways reach the instance: http://address:port. A name is resolved once, here.',
    },
    id: {
      type: 'string',
      value: 'ID',
      description: 'Tells it from other instances. Default: the host and the port.',
    },
    weight: { type: 'string', value: 'N', description: 'Share of the requests, 1 to 1000. Default: 1.' },
    zone: { type: 'string', value: 'NAME', description: 'Where it stands.' },
    priority: {
      type: 'string',
      value: 'N',
      description: 'Group for failover, 0 to 9; 0 is asked first. Default: 0.',
    },
    version: { type: 'string', value: 'TEXT', description: 'Version of the service.' },
    tag: { type: 'string', value: 'WORD', multiple: true, description: 'A tag; may be repeated.' },
    meta: { type: 'string', value: 'KEY=VALUE', multiple: true, description: 'Metadata; may be repeated.' },
    ttl: {
      type: 'string',
      value: 'TIME',
      description: 'How long it stays without a sign of life, 1s to 1h. Default: 10s.',
    },
    health: {
      type: 'string',
      value: 'PATH',
      description: 'Registered, and renewed, only while GET on this path succeeds.',
    },
    drain: {
      type: 'string',
      value: 'TIME',
      description: 'Wait between taking it out and passing on the signal. Default: 200ms.',
    },
    redis: { type: 'string', value: 'URL', description: 'The registry. Default: the variable SLUICE_REDIS.' },
    admin: {
      type: 'string',
      value: 'URL',
      multiple: true,
      description:
        'Instead: the admin API of a gateway without Redis; may be repeated. Its token is in SLUICE_ADMIN_TOKEN.',
    },
  },
  rest: 'CMD',
  async run(input) {
    const ttlMs = spanOf(input, 'ttl', '10s', 1000, LONGEST_LEASE_MS);
    const drainMs = spanOf(input, 'drain', '200ms', 0, 600_000);
    const service = input.needed('service');
    if (!SERVICE.test(service))
      throw new UsageError(`--service ${service}: expected lower-case letters, digits and . _ -`);
    const instance = await instanceIn(input);
    if (typeof instance === 'string') return failed(instance);
    const id = input.text('id') ?? defaultId(instance.url);
    const fault = idFault(id);
    if (fault !== null) throw new UsageError(`--id ${id}: ${fault}`);
    const places = placesIn(input, { service, id, instance, ttlMs });

    const say = (text: string) => void process.stderr.write(`sluice register: ${service}/${id} ${text}\n`);
    const health = input.text('health');
    const well = health === undefined ? null : healthAnswers(instance.url, health);
    let heartbeat: Heartbeat | null = null;
    const wrapped = wrapProcess(input.operands, {
      async beforeEnd() {
        await heartbeat?.stop();
        await sleep(drainMs);
      },
      complain: say,
    });
    const ready = well ?? portAnswers(instance.url);
    heartbeat = new Heartbeat({
      places,
      ttlMs,
      ready: async () => wrapped.running && (await ready()),
      well,
      say,
    });
    const code = await wrapped.ended;
    await heartbeat.stop();
    for (const place of places) place.close();
    return code;
  },
};

/** A text: why there is none. */
async function instanceIn(input: Input): Promise<Instance | string> {
  try {
    const instance = readInstance({
      url: input.needed('url'),
      weight: numberOf(input, 'weight'),
      zone: input.text('zone'),
      priority: numberOf(input, 'priority'),
      version: input.text('version'),
      tags: input.list('tag'),
      metadata: metadataIn(input),
    });
    formatInstance(instance); // is it short enough?
    return { ...instance, url: await withAddress(instance.url) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof InstanceFault) throw new UsageError(`--${error.message}`);
    return (error as Error).message;
  }
}

/** Gateways take no names from a registry: what one leads to might change. */
async function withAddress(origin: string): Promise<string> {
  const url = new URL(origin);
  const { address, family } = await lookup(url.hostname.replace(/^\[(.*)\]$/, '$1')).catch(() => {
    throw new Error(`${url.hostname} cannot be resolved`);
  });
  url.hostname = family === 6 ? `[${address}]` : address;
  return url.origin;
}

function placesIn(input: Input, lease: Lease): Place[] {
  const admin = input.list('admin');
  const redis = input.text('redis') ?? (admin.length === 0 ? process.env.SLUICE_REDIS : undefined);
  if (redis !== undefined && admin.length > 0) throw new UsageError('--redis and --admin exclude each other');
  if (redis === undefined && admin.length === 0) throw new UsageError('--redis or --admin is missing');
  for (const [option, url] of [
    ...admin.map((url) => ['admin', url]),
    ...(redis === undefined ? [] : [['redis', redis]]),
  ]) {
    const wanted = option === 'redis' ? /^rediss?:$/ : /^https?:$/;
    if (!wanted.test(URL.parse(url as string)?.protocol ?? '')) {
      throw new UsageError(
        `--${option}: expected a URL such as ${option === 'redis' ? 'redis://host:6379' : 'http://host:9901'}`,
      );
    }
  }
  if (redis !== undefined) return [inRedis(redis, lease)];
  return admin.map((url) => atGateway(url, process.env.SLUICE_ADMIN_TOKEN, lease));
}

/** The same after a restart, so that the instance takes its own place again. */
function defaultId(url: string): string {
  const { port, protocol } = new URL(url);
  const host = hostname()
    .replace(/[^A-Za-z0-9.-]/g, '-')
    .slice(0, 100);
  return `${host}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

function metadataIn(input: Input): Record<string, string> {
  const entries = input.list('meta').map((pair) => {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new UsageError(`--meta ${pair}: expected KEY=VALUE`);
    return [pair.slice(0, equals), pair.slice(equals + 1)] as const;
  });
  return Object.fromEntries(entries);
}

function numberOf(input: Input, name: string): number | undefined {
  const text = input.text(name);
  return text === undefined ? undefined : Number(text);
}

function spanOf(input: Input, name: string, absent: string, min: number, max: number): number {
  const text = input.text(name) ?? absent;
  const ms = spanIn(text);
  if (ms !== null && ms >= min && ms <= max) return ms;
  throw new UsageError(`--${name} ${text}: expected a duration from ${min}ms to ${max}ms, such as 10s`);
}

function failed(why: string): number {
  process.stderr.write(`sluice register: ${why}\n`);
  return FAILED;
}
