import type { RunningGateway } from '../harness/gateway.ts';

/** What the gateway counted under this name so far, by labels: `{ 'service="quotes",result="sent"': 2 }`. */
export async function counted(gateway: RunningGateway, name: string): Promise<Record<string, number>> {
  const { body } = await gateway.ask('/metrics');
  const found = String(body).matchAll(new RegExp(`^${name}\\{(.*)\\} (.*)$`, 'gm'));
  return Object.fromEntries([...found].map(([, labels, value]) => [labels, Number(value)]));
}

/** The access line of a request to this path. */
export function accessLine(gateway: RunningGateway, path: string) {
  return gateway.logged((line) => line.msg === 'access' && line.path === path);
}
