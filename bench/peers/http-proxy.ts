/** `http-proxy` with a keep-alive agent: `node http-proxy.ts ORIGIN`. */
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

interface Proxy {
  web(req: IncomingMessage, res: ServerResponse): void;
  on(event: 'error', listener: (error: Error, req: IncomingMessage, res: ServerResponse) => void): void;
}

// The package ships no types.
const { createProxyServer } = createRequire(import.meta.url)('http-proxy') as {
  createProxyServer(options: { target: string; agent: Agent }): Proxy;
};

const proxy = createProxyServer({ target: process.argv[2] as string, agent: new Agent({ keepAlive: true }) });
proxy.on('error', (_error, _req, res) => res.writeHead(502).end());

const server = createServer((req, res) => proxy.web(req, res));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${port}` }));
});
