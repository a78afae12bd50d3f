/** `listen.proxyProtocol`: the client's address comes from the load balancer in front. */
import { describe, expect, it } from 'vitest';
import { connectRaw, get, type RawClient } from '../harness/raw-client.ts';
import { useTarget } from '../security/target.ts';
import { localProxyHeader, proxyHeader } from './proxy-header.ts';

function listening(options: Record<string, unknown>) {
  return (service: string) => ({
    listen: { host: '127.0.0.1', port: 0, ...options },
    services: { service: { endpoints: [service] } },
    routes: [
      {
        name: 'all',
        match: { path: '/*' },
        service: 'service',
        headers: { request: { set: { 'x-client': '${client.ip}' } } },
      },
    ],
  });
}

describe('with proxyProtocol', () => {
  const target = useTarget(listening({ proxyProtocol: true, trustedProxies: ['10.0.0.0/8', 'fd00::/8'] }));

  /** Whom the gateway takes for the client, for one request behind these bytes. */
  async function clientAfter(before: string, ...fields: string[]): Promise<string | undefined> {
    return (await target.passes(before + get('/x', ...fields))).header('x-client');
  }

  it.each(['198.51.100.7', '0.0.0.1', '255.255.255.255'])(
    'takes the IPv4 address of the header: %s',
    async (address) => {
      expect(await clientAfter(proxyHeader(address))).toBe(address);
      expect(target.seen[0].header('x-forwarded-for')).toBe(address);
      expect(target.seen[0].header('forwarded')).toMatch(new RegExp(`^for=${address};`));
    },
  );

  it.each([
    ['2001:db8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['::1', '::1'],
    ['::ffff:c633:6407', '198.51.100.7'],
  ])('takes the IPv6 address of the header in its short form: %s', async (address, short) => {
    expect(await clientAfter(proxyHeader(address))).toBe(short);
  });

  it('quotes an IPv6 address in Forwarded', async () => {
    await clientAfter(proxyHeader('2001:db8::1'));
    expect(target.seen[0].header('forwarded')).toMatch(/^for="\[2001:db8::1\]";/);
  });

  it.each([
    ['cut in the middle', 8],
    ['cut behind its signature', 12],
    ['apart from the request', 28],
  ])('takes a header that comes in pieces: %s', async (_how, at) => {
    const bytes = proxyHeader('198.51.100.7') + get('/x');
    const client = await connectRaw(target.gateway.url);
    client.send(bytes.slice(0, at));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await client.send(bytes.slice(at)).answer()).status).toBe(200);
    expect(target.seen[0].header('x-client')).toBe('198.51.100.7');
  });

  it('keeps the address for all requests of the connection', async () => {
    const client = await connectRaw(target.gateway.url);
    await client.send(proxyHeader('198.51.100.7') + get('/1')).answer();
    await client.send(get('/2')).answer();
    await client.send(get('/3')).answer();
    expect(target.seen.map((request) => request.header('x-client'))).toEqual(Array(3).fill('198.51.100.7'));
  });

  it('knows connections apart', async () => {
    const clients: RawClient[] = [];
    for (let i = 1; i <= 5; i++) {
      const client = await connectRaw(target.gateway.url);
      clients.push(client.send(proxyHeader(`198.51.100.${i}`) + get(`/${i}`)));
    }
    await Promise.all(clients.map((client) => client.answer()));
    for (const seen of target.seen)
      expect(seen.header('x-client')).toBe(`198.51.100.${seen.target.slice(1)}`);
  });

  it('takes the peer itself for a connection of the balancer (LOCAL), or without a header', async () => {
    expect(await clientAfter(localProxyHeader())).toBe('127.0.0.1');
    expect(await clientAfter('')).toBe('127.0.0.1');
  });

  it('believes X-Forwarded-For only when the announced address is trusted', async () => {
    expect(await clientAfter(proxyHeader('198.51.100.7'), 'X-Forwarded-For: 6.6.6.6')).toBe('198.51.100.7');
    expect(await clientAfter(proxyHeader('10.0.0.1'), 'X-Forwarded-For: 6.6.6.6')).toBe('6.6.6.6');
    expect(await clientAfter(proxyHeader('fd00::1'), 'X-Forwarded-For: 6.6.6.6')).toBe('6.6.6.6');
  });

  it('steps over what the balancer adds, up to 36 bytes in all', async () => {
    expect(await clientAfter(proxyHeader('198.51.100.7', '\x04\0\x15'.padEnd(24, '\0')))).toBe(
      '198.51.100.7',
    );
  });
});

describe('without proxyProtocol', () => {
  const target = useTarget(listening({}));

  it('a header changes nothing: the peer is the client', async () => {
    const seen = await target.passes(proxyHeader('198.51.100.7') + get('/x'));
    expect(seen.header('x-client')).toBe('127.0.0.1');
    expect(seen.header('x-forwarded-for')).toBe('127.0.0.1');
  });
});
