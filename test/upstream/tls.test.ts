/** TLS towards services: whom the gateway believes, and the name it asks for. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, head } from '../harness/raw-client.ts';
import { type RunningService, startService } from '../harness/service.ts';

const CERTIFICATES = fileURLToPath(new URL('../config/tls/', import.meta.url));

const servers: Server[] = [];
let plain: RunningService;
let gateway: RunningGateway;

/** Answers with the name it was asked for in the handshake, or a dash. */
async function startTlsService(certificate: string, key: string): Promise<string> {
  const options = {
    cert: readFileSync(`${CERTIFICATES}${certificate}.crt`),
    key: readFileSync(`${CERTIFICATES}${key}.key`),
  };
  const server = createServer(options, (request, response) => {
    response.end((request.socket as TLSSocket & { servername: string | false }).servername || '-');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  const one = await startTlsService('one', 'one');
  const expired = await startTlsService('two-expired', 'two');
  plain = await startService();
  const ca = (name: string) => `${CERTIFICATES}${name}.crt`;
  const services: Record<string, { endpoints: string[]; tls: object }> = {
    good: { endpoints: [one], tls: { ca: ca('one'), servername: 'one.example' } },
    unnamed: { endpoints: [one], tls: { verify: false } },
    'by-address': { endpoints: [one.replace('localhost', '127.0.0.1')], tls: { verify: false } },
    'nobody-to-believe': { endpoints: [one], tls: { servername: 'one.example' } },
    'another-authority': { endpoints: [one], tls: { ca: ca('two'), servername: 'one.example' } },
    'wrong-name': { endpoints: [one], tls: { ca: ca('one'), servername: 'two.example' } },
    'default-name': { endpoints: [one], tls: { ca: ca('one') } },
    expired: { endpoints: [expired], tls: { ca: ca('two-expired'), servername: 'two.example' } },
    'no-tls': { endpoints: [plain.url.replace('http:', 'https:')], tls: {} },
  };
  gateway = await startGateway({
    accessLog: 'all',
    services,
    routes: Object.keys(services).flatMap((name) => [
      { name, match: { path: `/${name}` }, service: name },
      { name: `${name}-kept`, match: { path: `/${name}/kept` }, service: name, rewrite: { host: 'keep' } },
    ]),
  });
});

afterAll(async () => {
  await gateway?.stop();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await plain?.close();
});

describe('a service with a certificate that is believed', () => {
  it('is asked for by the name that is configured', async () => {
    const answer = await exchangeRaw(gateway.url, head('GET', '/good'));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'one.example']);
  });

  it('is asked for by that name whatever Host the client sent', async () => {
    for (const host of ['one.example', 'evil.example.com', 'two.example:8443', '127.0.0.1']) {
      const answer = await exchangeRaw(gateway.url, `GET /good/kept HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect([answer.status, answer.body.toString()]).toEqual([200, 'one.example']);
    }
  });

  it('may be any when verification is off', async () => {
    expect((await exchangeRaw(gateway.url, head('GET', '/unnamed'))).body.toString()).toBe('localhost');
    expect((await exchangeRaw(gateway.url, head('GET', '/by-address'))).body.toString()).toBe('-');
  });

  it('is asked for by its own name, not by the Host of the client, when none is configured', async () => {
    const answer = await exchangeRaw(
      gateway.url,
      'GET /unnamed/kept HTTP/1.1\r\nHost: evil.example.com\r\n\r\n',
    );
    expect(answer.body.toString()).toBe('localhost');
  });
});

describe('a service that is not believed', () => {
  it.each([
    ['signed by nobody we know', '/nobody-to-believe'],
    ['signed by another authority', '/another-authority'],
    ['for another name', '/wrong-name'],
    ['for another name than the host of the endpoint', '/default-name'],
    ['that has expired', '/expired'],
    ['at all: it speaks plain HTTP', '/no-tls'],
  ])('because of a certificate %s gets nothing', async (_what, path) => {
    const answer = await exchangeRaw(gateway.url, `${head('POST', path, 'Content-Length: 6')}secret`);
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_TLS_FAILED');
    expect(answer.header('proxy-status')).toBe('sluice; error=tls_protocol_error');
    expect(plain.requests).toEqual([]);
    const line = await gateway.logged((candidate) => candidate.msg === 'access' && candidate.path === path);
    expect(line).toMatchObject({ failure: 'UPSTREAM_TLS_FAILED', blame: 'upstream' });
  });

  it('gets nothing either when the client says the right name', async () => {
    const answer = await exchangeRaw(
      gateway.url,
      'GET /default-name/kept HTTP/1.1\r\nHost: one.example\r\n\r\n',
    );
    expect(answer.status).toBe(502);
  });
});
