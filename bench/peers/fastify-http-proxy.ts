/** `@fastify/http-proxy` with its defaults: `node fastify-http-proxy.ts ORIGIN`. */
import proxy from '@fastify/http-proxy';
import Fastify from 'fastify';

const app = Fastify({ logger: false });
await app.register(proxy, { upstream: process.argv[2] as string });
const url = await app.listen({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ msg: 'ready', url }));
