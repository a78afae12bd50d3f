/** Looking again at a caller who was let in: sockets stay open while credentials, roles and rules change. */

import type { Failure } from '../../errors.js';
import { Exchange } from '../../exchange.js';
import type { Identity, Provider } from '../identity.js';

/**
 * What is to be said of the caller now: by what the exchange came with, or by this credential in its place. The exchange
 * itself stays as it is. Never rejects for what a credential is like.
 */
export type Review = (x: Exchange, credential: string | null) => Promise<Reviewed>;

export type Reviewed = Approved | Objection;

export interface Approved {
  readonly identity: Identity;
  /** Carries the new credential from now on; null: nothing was presented. */
  readonly headers: readonly string[] | null;
}

export interface Objection {
  readonly failure: Failure;
  /** `expired`, `revoked`, `role` …; empty when there is nothing more to say. */
  readonly reason: string;
}

export function isApproved(reviewed: Reviewed): reviewed is Approved {
  return 'identity' in reviewed;
}

/** One that can be judged in the place of `x`. */
export function copyOf(x: Exchange): Exchange {
  return Object.assign(new Exchange(x.startedAt), x);
}

/** The parts of an identity that several ways in have made together; else itself alone. */
export function partsOf(identity: Identity): readonly Identity[] {
  return identity.joined ?? [identity];
}

/** The way in by which the caller came, if it can take another credential. */
export function presenter(providers: readonly Provider[], before: Identity): Provider | undefined {
  const names = partsOf(before).map(({ provider }) => provider);
  return providers.find((provider) => provider.present !== undefined && names.includes(provider.name));
}

/** Whoever takes the place of a caller must be the same. */
export function isSameCaller(before: Identity, now: Identity): boolean {
  return (
    before.provider === now.provider &&
    before.method === now.method &&
    before.user === now.user &&
    before.consumer === now.consumer
  );
}
