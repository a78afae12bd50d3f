import type { Site } from './site.js';

/** Where a browser goes whose session has ended: to the identity provider (RP-Initiated Logout 1.0), if it wants that. */
export async function logoutLocation(
  { client, config }: Site,
  idToken: string,
  origin: string,
): Promise<string> {
  const { afterLogout, clientId } = config.login;
  // An identity provider that is away keeps nobody logged in here.
  const metadata = await client.metadata().catch(() => null);
  if (metadata?.end_session_endpoint === undefined) return afterLogout;
  const url = new URL(metadata.end_session_endpoint);
  if (idToken !== '') url.searchParams.set('id_token_hint', idToken);
  url.searchParams.set('client_id', clientId);
  url.searchParams.set('post_logout_redirect_uri', origin + afterLogout);
  return url.href;
}
