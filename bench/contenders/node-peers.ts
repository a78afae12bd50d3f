/** The Node proxies one would otherwise take, each a program of its own in `bench/peers/`. */
import { existsSync, readFileSync } from 'node:fs';
import { GATEWAY_CORE, launchNode } from '../proc.ts';
import type { Contender } from './contender.ts';

function installedVersion(name: string): string | null {
  const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
    : null;
}

function nodePeer(name: string, script: string): Contender {
  return {
    name,
    version: () => installedVersion(name),
    async start(origin) {
      const child = launchNode(name, new URL(`../peers/${script}`, import.meta.url), [origin], GATEWAY_CORE);
      const { url } = await child.ready();
      return { url, pid: child.pid, warmsUp: true, stop: () => child.stop() };
    },
  };
}

export const fastifyHttpProxy = nodePeer('@fastify/http-proxy', 'fastify-http-proxy.ts');
export const httpProxy = nodePeer('http-proxy', 'http-proxy.ts');
