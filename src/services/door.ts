/** Lets callers in or turns them away: ways in, in the order of the route, then what the route demands of who came in. */
import { AUTH_UNAVAILABLE, FORBIDDEN, INVALID_TOKEN, UNAUTHENTICATED } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { CONTINUE, type Env, type Stage, type Verdict } from '../pipeline.js';
import type { Demands, Denial } from './authz/demands.js';
import { copyOf, isSameCaller, partsOf, presenter, type Review, type Reviewed } from './authz/review.js';
import { type Identity, isIdentity, type Outcome, type Provider, type Refusal } from './identity.js';
import { DUPLICATE } from './tokens/refusals.js';

type Check = (x: Exchange, identity: Identity) => Denial | null | Promise<Denial | null>;

/** What a route wants of its callers, as far as this file needs it. */
export interface DoorOptions extends Demands {
  /** Set: all providers must succeed; else any one. */
  readonly allOf?: readonly string[];
  readonly methods?: Readonly<Record<string, Demands>>;
  readonly decision?: string;
}

/** The ways into one route. */
export class Door {
  readonly #env: Env;
  readonly #providers: readonly Provider[];
  readonly #all: boolean;
  readonly #checks: readonly Check[];
  readonly #byMethod: ReadonlyMap<string, Check>;
  /** Of all ways in, without an error. */
  readonly #challenge: string;

  constructor(providers: readonly Provider[], options: DoorOptions, env: Env) {
    const { access, route } = env;
    this.#env = env;
    this.#all = options.allOf !== undefined;
    this.#providers = providers;
    const general = access.demands(options, route.paramNames);
    const decision = options.decision === undefined ? null : access.decision(options.decision);
    this.#checks = [
      ...(general === null ? [] : [general]),
      ...(decision === null ? [] : [(x: Exchange, identity: Identity) => decision.ask(x, identity)]),
    ];
    const byMethod = new Map<string, Check>();
    for (const [method, own] of Object.entries(options.methods ?? {})) {
      const check = access.demands(own, route.paramNames);
      if (check === null) continue;
      byMethod.set(method, check);
      if (method === 'GET' && options.methods?.HEAD === undefined) byMethod.set('HEAD', check);
    }
    this.#byMethod = byMethod;
    this.#challenge = [...new Set(this.#providers.map(({ challenge }) => challenge))]
      .filter((challenge) => challenge !== '')
      .join(', ');
  }

  readonly enter: Stage = (x) => {
    // Two credentials of one kind are refused whatever else would be accepted. One provider sees it by itself.
    if (this.#providers.length > 1 && this.#providers.some((provider) => provider.isAmbiguous(x))) {
      return this.#turnAway(x, DUPLICATE);
    }
    const outcome = this.#all ? this.#tryAll(x, 0, null) : this.#tryAny(x, 0, null);
    return outcome instanceof Promise
      ? outcome.then((late) => this.#admit(x, late))
      : this.#admit(x, outcome);
  };

  /** Of an open socket: whether who was let in still would be, and as whom. Leaves nothing in the audit log. */
  readonly review: Review = async (x, credential) => {
    const before = x.identity;
    if (before === null) return { failure: UNAUTHENTICATED, reason: 'missing' };
    const copy = copyOf(x);
    if (credential !== null) {
      const provider = presenter(this.#providers, before);
      if (provider === undefined) return { failure: UNAUTHENTICATED, reason: 'not-renewable' };
      provider.present?.(copy, credential);
    }
    // What was taken out of a handshake is remembered for the exchange itself.
    const carrier = credential === null ? x : copy;
    const outcome = await (this.#all ? this.#tryAll(carrier, 0, null) : this.#tryAny(carrier, 0, null));
    if (outcome === null || !isIdentity(outcome))
      return outcome ?? { failure: UNAUTHENTICATED, reason: 'missing' };
    if (!isSameCaller(before, outcome)) return { failure: FORBIDDEN, reason: 'caller' };
    copy.identity = outcome;
    const denial = await this.#objection(copy, outcome);
    return denial ?? { identity: outcome, headers: credential === null ? null : copy.headers };
  };

  async #objection(x: Exchange, identity: Identity): Promise<Reviewed | null> {
    for (const check of this.#checks) {
      const denial = await check(x, identity);
      if (denial !== null) return denial;
    }
    return (this.#byMethod.get(x.method)?.(x, identity) as Denial | null | undefined) ?? null;
  }

  /** Those who are in may be asked for otherwise, and cannot become nobody. */
  #ask(provider: Provider, x: Exchange): Outcome | Promise<Outcome> {
    if (x.identity === null) return provider.authenticate(x);
    if (provider.method === 'anonymous' && x.identity.method !== 'anonymous') return null;
    const own = partsOf(x.identity).find((part) => part.provider === provider.name);
    return own === undefined || provider.again === undefined ? provider.authenticate(x) : provider.again(own);
  }

  /** The first identity; else the refusal that says most; null when there is no credential at all. */
  #tryAny(x: Exchange, from: number, worst: Refusal | null): Outcome | Promise<Outcome> {
    for (let i = from; i < this.#providers.length; i++) {
      const outcome = this.#ask(this.#providers[i], x);
      if (outcome === null) continue;
      if (outcome instanceof Promise) {
        return outcome.then((late) =>
          late !== null && isIdentity(late) ? late : this.#tryAny(x, i + 1, tellingMore(worst, late)),
        );
      }
      if (isIdentity(outcome)) return outcome;
      worst = tellingMore(worst, outcome);
    }
    return worst;
  }

  #tryAll(x: Exchange, from: number, sofar: Identity | null): Outcome | Promise<Outcome> {
    let joined = sofar;
    for (let i = from; i < this.#providers.length; i++) {
      const outcome = this.#ask(this.#providers[i], x);
      if (outcome instanceof Promise) {
        return outcome.then((late) => {
          if (late === null || !isIdentity(late)) return late;
          return this.#tryAll(x, i + 1, join(joined, late));
        });
      }
      if (outcome === null || !isIdentity(outcome)) return outcome;
      joined = join(joined, outcome);
    }
    return joined;
  }

  #admit(x: Exchange, outcome: Outcome): Verdict | Promise<Verdict> {
    if (x.handshake) for (const provider of this.#providers) provider.conceal?.(x);
    if (outcome === null || !isIdentity(outcome)) return this.#turnAway(x, outcome);
    x.identity = outcome;
    return this.#check(x, outcome, 0);
  }

  #check(x: Exchange, identity: Identity, from: number): Verdict | Promise<Verdict> {
    for (let i = from; i < this.#checks.length; i++) {
      const denial = this.#checks[i](x, identity);
      if (denial === null) continue;
      if (!(denial instanceof Promise)) return this.#deny(x, identity, denial);
      return denial.then((late) =>
        late === null ? this.#check(x, identity, i + 1) : this.#deny(x, identity, late),
      );
    }
    const denial = this.#byMethod.get(x.method)?.(x, identity) ?? null;
    return denial === null ? CONTINUE : this.#deny(x, identity, denial as Denial);
  }

  #turnAway(x: Exchange, refusal: Refusal | null): Verdict | Promise<Verdict> {
    const failure = refusal?.failure ?? UNAUTHENTICATED;
    if (failure.status === 401) {
      const invitation = this.#invite(x);
      if (invitation !== null) return invitation;
      x.challenge =
        refusal?.failure === INVALID_TOKEN ? withError(this.#challenge, refusal.reason) : this.#challenge;
    }
    if (failure.status === 400) x.challenge = this.#ambiguity(x);
    const reason = refusal?.reason ?? 'missing';
    this.#env.access.audit(x, { event: 'auth.refused', reason });
    return x.refuse(failure, refusal?.failure === INVALID_TOKEN ? (DETAILS[refusal.reason] ?? '') : '');
  }

  /** RFC 6750 §3: whoever sends two tokens is told so; other kinds of credentials have no words for it. */
  #ambiguity(x: Exchange): string {
    const challenge = this.#providers.find((provider) => provider.isAmbiguous(x))?.challenge ?? '';
    return challenge.startsWith('Bearer ') ? `${challenge}, error="invalid_request"` : '';
  }

  /** A person with a browser is sent to the login instead. */
  #invite(x: Exchange): Promise<Verdict> | null {
    if (x.method !== 'GET' || x.handshake || !(x.header('accept') ?? '').includes('text/html')) return null;
    const mode = x.header('sec-fetch-mode');
    if (mode !== undefined && mode !== 'navigate') return null;
    const host = this.#providers.find((provider) => provider.invite !== undefined);
    if (host?.invite === undefined) return null;
    return host.invite(x).then((answer) => (answer === null ? x.refuse(AUTH_UNAVAILABLE) : x.answer(answer)));
  }

  #deny(x: Exchange, { provider }: Identity, denial: Denial): Verdict {
    if (SHOWABLE.has(denial.reason)) {
      const scope = denial.missingScope === '' ? '' : `, scope="${denial.missingScope}"`;
      x.challenge = `Bearer realm="sluice", error="insufficient_scope"${scope}`;
    }
    this.#env.access.audit(x, { event: 'auth.denied', provider, reason: denial.reason });
    return x.refuse(denial.failure, denial.detail);
  }
}

/** What a caller can do something about: get credentials that have it. */
const SHOWABLE: ReadonlySet<Denial['reason']> = new Set(['role', 'scope', 'permission']);

/** What the client may know beyond the code: only what a valid signature has shown. */
const DETAILS: Readonly<Record<string, string>> = {
  expired: 'The credentials have expired.',
  'not-yet': 'The token is not valid yet.',
  'too-large': 'The token is larger than 8 KiB.',
};

/** 400 before 503 before 401: an ambiguity is the client's to mend, and what cannot be decided may still be valid. */
function tellingMore(before: Refusal | null, next: Outcome): Refusal | null {
  const refusal = next as Refusal | null;
  if (before === null || refusal === null) return before ?? refusal;
  return weight(refusal) > weight(before) ? refusal : before;
}

function weight({ failure: { status } }: Refusal): number {
  return status === 400 ? 2 : status === 503 ? 1 : 0;
}

/** RFC 6750 §3.1, on the Bearer challenge. */
function withError(challenge: string, reason: string): string {
  const description = reason === 'expired' ? ', error_description="The access token expired"' : '';
  return challenge.replace(/Bearer realm="sluice"/, `$&, error="invalid_token"${description}`);
}

function join(first: Identity | null, next: Identity): Identity {
  if (first === null) return next;
  return Object.freeze({
    ...first,
    user: first.user || next.user,
    consumer: first.consumer || next.consumer,
    plan: first.plan || next.plan,
    keyId: first.keyId || next.keyId,
    roles: [...new Set([...first.roles, ...next.roles])],
    scopes: [...new Set([...first.scopes, ...next.scopes])],
    joined: [...(first.joined ?? [first]), next],
    claims: { ...next.claims, ...first.claims },
    expiresAt: Math.min(first.expiresAt, next.expiresAt),
  });
}
