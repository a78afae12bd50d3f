/** TLS for the clients: certificates by name, and new ones without a restart. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, get, RawClient } from '../harness/raw-client.ts';
import { type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

const CERTIFICATES = fileURLToPath(new URL('../config/tls/', import.meta.url));

let folder: string;
let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  use('one', 'default');
  use('one', 'named');
  use('two', 'wild');
  service = await startScriptedService();
  gateway = await startGateway(config());
});

beforeEach(() => {
  service.seen.length = 0;
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts a certificate, `one` or `two`, where the gateway reads `as`. */
function use(certificate: 'one' | 'two', as: string): void {
  for (const end of ['crt', 'key'])
    copyFileSync(join(CERTIFICATES, `${certificate}.${end}`), join(folder, `${as}.${end}`));
}

function files(name: string) {
  return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

function config(more: Record<string, unknown> = {}): Record<string, unknown> {
  const sni = [
    { host: 'named.example.com', ...files('named') },
    { host: '*.example.org', ...files('wild') },
  ];
  return {
    listen: { host: '127.0.0.1', port: 0, tls: { ...files('default'), sni } },
    services: { service: { endpoints: [service.url] } },
    routes: [
      { name: 'all', match: { path: '/*' }, service: 'service' },
      { name: 'host', match: { path: '/*', host: 'named.example.com' }, respond: { body: 'by host' } },
    ],
    ...more,
  };
}

interface TlsClient {
  client: RawClient;
  socket: TLSSocket;
  /** Common name in the certificate that was shown. */
  name: string;
}

async function connectTls(
  servername: string | undefined,
  options: ConnectionOptions = {},
): Promise<TlsClient> {
  const port = Number(new URL(gateway.url).port);
  const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, ...options });
  onTestFinished(() => void socket.destroy());
  const client = new RawClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return { client, socket, name: String(socket.getPeerCertificate().subject.CN) };
}

describe('over TLS', () => {
  it('requests are served, and the service is told so', async () => {
    expect(gateway.url).toMatch(/^https:/);
    const { client } = await connectTls(undefined);
    const answer = await client.send(get('/x')).answer();
    expect(`${answer.status} ${answer.body}`).toBe('200 /x');
    expect(service.seen[0].header('x-forwarded-proto')).toBe('https');
    expect(service.seen[0].header('forwarded')).toContain('proto=https');
    expect((await client.send(get('/again')).answer()).body.toString()).toBe('/again');
  });

  it('a client can verify the certificate', async () => {
    const { socket } = await connectTls('one.example', {
      ca: readFileSync(join(CERTIFICATES, 'one.crt')),
      rejectUnauthorized: true,
      checkServerIdentity: () => undefined,
    });
    expect(socket.authorized).toBe(true);
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    await expect(connectTls(undefined, old)).rejects.toThrow();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
    const { socket } = await connectTls(undefined, { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
  });

  it('plain HTTP is cut off, and the service sees nothing', async () => {
    const client = await connectRaw(gateway.url);
    client.send(get('/plain'));
    await client.closed(2000);
    expect(client.received.toString('latin1')).not.toContain('HTTP/1.1');
    expect(service.seen).toEqual([]);
  });

  it('a large body passes both ways', async () => {
    service.on('/echo', async (socket, request) => {
      const body = await request.whole;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
      socket.write(body);
    });
    const { client } = await connectTls(undefined);
    const body = Buffer.alloc(3_000_000, 'sluice ');
    client.send(`POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`).send(body);
    const answer = await client.answer();
    expect(answer.body.equals(body)).toBe(true);
  });
});

describe('the name that a client asks for', () => {
  it.each([
    ['none', undefined, 'one.example'],
    ['an unknown one', 'other.example', 'one.example'],
    ['a certificate of its own', 'named.example.com', 'one.example'],
    ['one below a wildcard', 'shop.example.org', 'two.example'],
    ['the wildcard without a label', 'example.org', 'one.example'],
  ])('chooses the certificate: %s', async (_what, servername, expected) => {
    const { client, name } = await connectTls(servername);
    expect(name).toBe(expected);
    expect((await client.send(get('/x')).answer()).status).toBe(200);
  });

  it('chooses no route: that is what Host does', async () => {
    const { client } = await connectTls('shop.example.org');
    const bytes = 'GET /x HTTP/1.1\r\nHost: named.example.com\r\n\r\n';
    expect((await client.send(bytes).answer()).body.toString()).toBe('by host');
  });
});

describe('a reload', () => {
  it('takes over new certificates, and closes no connection', async () => {
    const before = await connectTls(undefined);
    const beforeWild = await connectTls('a.example.org');
    expect([before.name, beforeWild.name]).toEqual(['one.example', 'two.example']);

    use('two', 'default');
    use('one', 'wild');
    expect((await gateway.reload()).status).toBe(200);

    await expect.poll(async () => (await connectTls(undefined)).name).toBe('two.example');
    expect((await connectTls('a.example.org')).name).toBe('one.example');
    for (const { client } of [before, beforeWild]) {
      expect((await client.send(get('/still')).answer()).body.toString()).toBe('/still');
    }
    const { client } = await connectTls(undefined);
    expect((await client.send(get('/new')).answer()).body.toString()).toBe('/new');
  });

  it('that changes no certificate resets nobody who is just connecting', async () => {
    let running = true;
    let served = 0;
    const failures: string[] = [];
    async function connectAgainAndAgain(): Promise<void> {
      while (running) {
        try {
          const { client, socket } = await connectTls(undefined);
          expect((await client.send(get('/x')).answer()).status).toBe(200);
          socket.destroy();
          served++;
        } catch (error) {
          failures.push(String(error));
        }
      }
    }
    const load = Promise.all(Array.from({ length: 24 }, connectAgainAndAgain));
    for (let i = 0; i < 15; i++) {
      expect((await gateway.reload()).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    running = false;
    await load;
    expect(failures).toEqual([]);
    expect(served).toBeGreaterThan(50);
  });

  it('with a broken certificate changes nothing, and says why', async () => {
    const { name } = await connectTls(undefined);
    copyFileSync(fileURLToPath(import.meta.url), join(folder, 'default.crt'));
    const { status, body } = await gateway.reload();
    expect(status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify(body)).toContain('default.crt');
    const after = await connectTls(undefined);
    expect(after.name).toBe(name);
    expect((await after.client.send(get('/x')).answer()).status).toBe(200);
    use('two', 'default');
  });

  it('again and again keeps all connections that were made meanwhile', async () => {
    const clients: TlsClient[] = [];
    for (let i = 0; i < 10; i++) {
      use(i % 2 === 0 ? 'one' : 'two', 'default');
      expect((await gateway.reload()).status).toBe(200);
      clients.push(await connectTls(undefined));
    }
    for (const [i, { client }] of clients.entries()) {
      expect((await client.send(get(`/${i}`)).answer()).body.toString()).toBe(`/${i}`);
    }
  });
});

describe('a key with a passphrase', () => {
  it('is opened', async () => {
    const tls = {
      cert: join(CERTIFICATES, 'one.crt'),
      key: join(CERTIFICATES, 'one-encrypted.key'),
      passphrase: 'secret',
    };
    const other = await startGateway(config({ listen: { host: '127.0.0.1', port: 0, tls } }));
    const socket = connect({
      host: '127.0.0.1',
      port: Number(new URL(other.url).port),
      rejectUnauthorized: false,
    });
    onTestFinished(() => void socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    expect(socket.getPeerCertificate().subject.CN).toBe('one.example');
  });
});
