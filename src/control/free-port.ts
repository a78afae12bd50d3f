import { type AddressInfo, createServer } from 'node:net';

/**
 * The port workers will listen on: the given one, or any free one for 0 (they can only share a port that has a number).
 * Rejects when somebody listens there already: workers share their port with SO_REUSEPORT, and would share it just as
 * quietly with a second gateway of the same user, so that half of the clients reached the wrong one.
 */
export function findFreePort(host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once('error', (error) => reject(new Error(explainListenError(error, host, port))));
  probe.listen({ host, port, exclusive: true }, () => {
    const { port: free } = probe.address() as AddressInfo;
    probe.close(() => resolve(free));
  });
  return promise;
}

/** `cannot listen on 127.0.0.1:80: …`, for people. */
export function explainListenError(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return `cannot listen on ${where}: ${REASONS[error.code ?? ''] ?? error.message}`;
}

const REASONS: Record<string, string> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'this user may not listen on that port',
  ENOTFOUND: 'the host name cannot be resolved',
};

/** A URL that reaches a listener from this machine. */
export function urlOf(scheme: string, host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${scheme}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
