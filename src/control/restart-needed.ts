import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/schema.js';
import { compressionOf, usesIdempotency, usesLimits } from '../config/uses.js';

/** An option that was changed in the file and only counts after a restart. */
export interface RestartNeeded {
  readonly path: string;
  readonly running: unknown;
  readonly configured: unknown;
}

/**
 * What of a new configuration a running gateway can take: all but where and how it listens, and how many workers there
 * are. Those stay as they run, so that a worker that is replaced later comes back the same. `started`: with which the workers
 * began, for what is not written in one place.
 */
export function adoptable(
  running: Config,
  next: Config,
  started = running,
): { config: Config; restartNeeded: RestartNeeded[] } {
  const restartNeeded: RestartNeeded[] = [];
  function keep<T>(path: string, now: T, configured: T): T {
    if (now !== configured) restartNeeded.push({ path, running: now, configured });
    return now;
  }

  /** The values themselves are not shown. */
  function keepSecret<T>(path: string, now: T, configured: T): T {
    if (!isDeepStrictEqual(now, configured))
      restartNeeded.push({ path, running: onOff(now), configured: onOff(configured) });
    return now;
  }

  const listen = { ...next.listen };
  listen.host = keep('listen.host', running.listen.host, next.listen.host);
  listen.port = keep('listen.port', running.listen.port, next.listen.port);
  listen.maxHeaderBytes = keep(
    'listen.maxHeaderBytes',
    running.listen.maxHeaderBytes,
    next.listen.maxHeaderBytes,
  );
  listen.maxMessageBytes = keep(
    'listen.maxMessageBytes',
    running.listen.maxMessageBytes,
    next.listen.maxMessageBytes,
  );
  keep('listen.tls', onOff(running.listen.tls), onOff(next.listen.tls));
  if (onOff(running.listen.tls) !== onOff(next.listen.tls)) listen.tls = running.listen.tls;

  // The store is opened once, and what is in Redis belongs to it.
  const isOpen = running.data !== null;
  const data =
    isOpen && next.data !== null ? keep('data', running.data, next.data) : (running.data ?? next.data);
  // Machines share limits and keys through it as long as there are any.
  const isMet = isOpen || usesLimits(running) || (running.redis !== null && usesIdempotency(running));
  const redis = isMet ? keepSecret('redis', running.redis, next.redis) : next.redis;

  // Listeners have the memory for it, or not.
  if (compressionOf(next) !== 'off')
    keep('websocket.compression', compressionOf(started), compressionOf(next));

  const workers = keep('workers', running.workers, next.workers);

  keep('admin', onOff(running.admin), onOff(next.admin));
  let admin = running.admin;
  if (running.admin !== null && next.admin !== null) {
    const host = keep('admin.host', running.admin.host, next.admin.host);
    const port = keep('admin.port', running.admin.port, next.admin.port);
    admin = { ...next.admin, host, port };
  }
  return { config: { ...next, listen, data, redis, workers, admin }, restartNeeded };
}

function onOff(value: unknown): 'on' | 'off' {
  return value === null ? 'off' : 'on';
}
