/** The caller of a case as a provider would have told it. */
import type { ProviderConfig } from '../../config/schema/auth.js';
import type { Identity } from '../../services/identity.js';
import type { Actor } from './cases.js';

export function identityOf(actor: Actor, provider: string, config: ProviderConfig): Identity {
  const { roles, scopes, consumer, plan } = actor;
  // Those who are known by claims have the one that names them, and the other way round.
  const named = config.type === 'apiKey' ? '' : config.claims.user;
  const { [named]: told } = actor.claims;
  const user = actor.user || (typeof told === 'string' ? told : '');
  const claims =
    named === '' || user === '' || told !== undefined ? actor.claims : { [named]: user, ...actor.claims };
  return {
    method: config.type,
    provider,
    user,
    consumer,
    roles,
    scopes,
    plan,
    keyId: '',
    claims,
    expiresAt: Number.POSITIVE_INFINITY,
  };
}
