import type { Identity, Provider } from './identity.js';

const NOBODY: Identity = Object.freeze({
  method: 'anonymous',
  provider: 'anonymous',
  user: '',
  consumer: '',
  roles: [],
  scopes: [],
  plan: '',
  keyId: '',
  claims: {},
  expiresAt: Number.POSITIVE_INFINITY,
});

/** The way in for those who need not say who they are. */
export const anonymous: Provider = {
  name: 'anonymous',
  method: 'anonymous',
  challenge: '',
  privateHeader: null,
  privateCookie: null,
  isAmbiguous: () => false,
  authenticate: () => NOBODY,
  flush: () => ({ accepted: 0, refused: {}, cacheHits: 0, cacheMisses: 0 }),
  close: () => {},
};
