/** What is asked of every contender. The service knows the same paths and bodies. */
export interface Workload {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Bytes of request body, 0 for none. */
  readonly requestBytes: number;
}

export const SMALL_GET: Workload = { name: 'small GET', method: 'GET', path: '/small', requestBytes: 0 };
export const LARGE_GET: Workload = { name: '16 KiB GET', method: 'GET', path: '/16k', requestBytes: 0 };
export const POST: Workload = { name: '1 KiB POST', method: 'POST', path: '/post', requestBytes: 1024 };

export const WORKLOADS: readonly Workload[] = [SMALL_GET, LARGE_GET, POST];

export const CONNECTIONS = 64;

/** The body the service answers on each measured path. */
export const BODIES: Readonly<Record<string, string>> = {
  '/small': `{"symbol":"SLC","bid":101.25,"ask":101.5,"padding":"${'x'.repeat(48)}"}`,
  '/16k': '0123456789abcdef'.repeat(1024),
  '/post': '{"stored":true}',
};
