/** What routes demand of their sockets, compiled when a configuration is taken over. */
import type { RouteConfig } from '../config/schema/route.js';
import type { WebSocketConfig } from '../config/schema/websocket.js';
import type { InboundRules } from './inbound/gate.js';
import type { Conflation } from './outbound/conflated-sender.js';
import { PolicyCounts } from './policy-counts.js';

export interface SocketPolicy {
  readonly options: WebSocketConfig;
  readonly counts: PolicyCounts;
  /** null: nothing is left out for a slow client. */
  readonly conflation: Conflation | null;
  /** null: what the client says goes to the service as it is. */
  readonly inbound: InboundRules | null;
}

export class SocketPolicies {
  readonly #policies = new WeakMap<WebSocketConfig, SocketPolicy>();
  /** By the route's name: counts outlive a configuration. */
  readonly #counts = new Map<string, PolicyCounts>();

  /** Compiles what is new. Loads what it needs for that, which is why it is not done with the rest of a route. */
  async prepare(routes: readonly RouteConfig[]): Promise<void> {
    for (const { name, websocket } of routes) {
      if (websocket === null || this.#policies.has(websocket)) continue;
      const counts = this.#counts.get(name) ?? new PolicyCounts();
      this.#counts.set(name, counts);
      this.#policies.set(websocket, await compile(websocket, counts));
    }
  }

  /** @throws Error for options that were not prepared. */
  of(options: WebSocketConfig): SocketPolicy {
    const policy = this.#policies.get(options);
    if (policy === undefined) throw new Error('the policy of a socket was not prepared');
    return policy;
  }

  /** What was counted since the call before, by route. */
  report(): Map<string, PolicyCounts> {
    const report = new Map<string, PolicyCounts>();
    for (const [name, counts] of this.#counts) {
      const taken = counts.take();
      if (taken !== null) report.set(name, taken);
    }
    return report;
  }
}

async function compile(options: WebSocketConfig, counts: PolicyCounts): Promise<SocketPolicy> {
  const { conflate } = options;
  const conflation =
    conflate === undefined
      ? null
      : (await import('./outbound/conflated-sender.js')).compileConflation(conflate, counts);
  return { options, counts, conflation, inbound: await compileInbound(options, counts) };
}

async function compileInbound(
  { messages, schema, buffer }: WebSocketConfig,
  counts: PolicyCounts,
): Promise<InboundRules | null> {
  if (messages === undefined && schema === undefined) return null;
  const { compileMessageSchema } = await import('./inbound/message-schema.js');
  return {
    messages: messages ?? null,
    schema: schema === undefined ? null : { ...schema, judge: compileMessageSchema(schema) },
    buffer,
    counts,
  };
}
