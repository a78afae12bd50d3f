import type { GatewayFacts } from '../../observe/family.js';
import type { ApiKeys } from '../../services/records/api-keys.js';
import type { Consumers } from '../../services/records/consumers.js';
import type { Ledger } from '../../services/store/idempotency/ledger.js';
import type { RecordStore } from '../../services/store/record-store.js';
import type { InForce } from '../adoption.js';
import type { ChannelControl } from '../channels/channel-control.js';
import type { PresenceControl } from '../channels/presence/presence-control.js';
import type { RegistryWatch } from '../discovery/registry-watch.js';
import type { DrainAnswer } from '../endpoints/drain.js';
import type { QuotaControl } from '../quotas/quota-control.js';
import type { ReloadResult } from '../reloader.js';
import type { SocketControl } from '../sockets/socket-control.js';
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
  /** null: the configuration has no store. */
  records(): Records | null;
  /** What was told to requests with an idempotency key; the ledger is null when no route uses them. */
  idempotency(): { readonly counts: () => ReadonlyMap<string, number>; readonly ledger: () => Ledger | null };
  /** null: no service takes its endpoints from the registry. */
  registry(): RegistryWatch | null;
  /** null: no limit is a quota. */
  quotas(): QuotaControl | null;
  /** Writes a line of the audit log. Never a secret in it. */
  audit(event: Readonly<Record<string, unknown>>): void;
  channels(): ChannelControl;
  presence(): PresenceControl;
  /** Takes an endpoint out or in again; null: workers would not hear of it. */
  drain(service: string, endpoint: string, drained: boolean): DrainAnswer | null;
  /** Open WebSockets, in all workers. */
  readonly sockets: SocketControl;
  /** Ends all sessions of a user; resolves with how many. */
  revokeUser(provider: string, user: string): Promise<number>;
}

export interface Records {
  readonly keys: ApiKeys;
  readonly consumers: Consumers;
  readonly store: RecordStore;
}

/** What a request to an endpoint says. */
export interface Call {
  /** Address of whoever asks, for the audit log. */
  readonly remote: string;
  /** As it was sent: percent-encoded, without the query. */
  readonly path: string;
  /** By the names in `Endpoint.path`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The `Accept` field; empty: there is none. */
  readonly accept: string;
  /** JSON; undefined: none was sent, or the endpoint takes none. */
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
  readonly headers?: Record<string, string>;
}

/** One path of the admin API. */
export interface Endpoint {
  /** `:name` stands for one segment. */
  readonly path: string;
  /** GET answers HEAD too. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** One sentence, for the index. */
  readonly summary: string;
  /** Answered without the token: for probes that cannot carry one. */
  readonly open?: boolean;
  /** Takes a JSON body, or none; a number: of at most so many bytes, instead of 64 KiB. */
  readonly body?: boolean | number;
  handle(plane: ControlPlane, call: Call): Reply | Promise<Reply>;
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
