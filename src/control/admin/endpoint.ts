import type { IncomingMessage } from 'node:http';
import type { GatewayFacts } from '../../observe/exposition.js';
import type { InForce } from '../adoption.js';
import type { ReloadResult } from '../reloader.js';
import type { WorkerView } from '../worker-slot.js';

/** Where the gateway is in its life. */
export type Phase = 'starting' | 'running' | 'draining';

/** What the admin API may ask of the gateway. */
export interface ControlPlane extends GatewayFacts {
  readonly file: string;
  readonly startedAt: Date;
  phase(): Phase;
  inForce(): InForce;
  workers(): WorkerView[];
  /** Brings the counters up to date; takes a quarter of a second at most. */
  collect(): Promise<void>;
  reload(reason: string): Promise<ReloadResult>;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
  readonly headers?: Record<string, string>;
}

/** One path of the admin API. */
export interface Endpoint {
  readonly path: string;
  /** GET answers HEAD too. */
  readonly method: 'GET' | 'POST';
  /** One sentence, for the index. */
  readonly summary: string;
  /** Answered without the token: for probes that cannot carry one. */
  readonly open?: boolean;
  handle(plane: ControlPlane, request: IncomingMessage): Reply | Promise<Reply>;
}

export function json(value: unknown, status = 200): Reply {
  return {
    status,
    body: `${JSON.stringify(value, null, 2)}\n`,
    contentType: 'application/json; charset=utf-8',
  };
}

/** RFC 9457. `more` adds members to the document. */
export function problem(
  status: number,
  title: string,
  detail: string,
  more: Record<string, unknown> = {},
): Reply {
  const document = { type: 'about:blank', title, status, detail, ...more };
  return { ...json(document, status), contentType: 'application/problem+json; charset=utf-8' };
}
