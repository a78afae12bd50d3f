/** A browser before the gateway, as raw requests: it keeps cookies, and logs in at the real issuer. */
import { expect } from 'vitest';
import { CLIENT } from '../../../harness/issuer-provider.ts';
import { get, head, type RawAnswer } from '../../../harness/raw-client.ts';
import { route, type Scene } from '../scene.ts';

export const SID = '__Host-sid';
export const LOGIN = '__Host-sluice-login';

/** Two session providers, `web` and `shop`, and all that belongs to the first. */
export function sessionConfig(issuer: { url: string }, more: Record<string, unknown> = {}) {
  const login = { issuer: issuer.url, ...CLIENT };
  const own = (name: string, action: string) => ({
    name: `${name}-${action}`,
    match: { path: `/${name}/${action}` },
    builtin: { action, provider: name },
  });
  return {
    auth: {
      providers: {
        web: {
          type: 'session',
          login: { ...login, callback: '/web/callback', after: '/home', afterLogout: '/bye' },
          ...more,
        },
        shop: { type: 'session', cookie: '__Host-shop', login: { ...login, callback: '/shop/callback' } },
      },
    },
    routes: [
      route('/page', 'web'),
      route('/shop', 'shop'),
      route('/open', 'off'),
      route('/optional', ['web', 'anonymous']),
      ...['login', 'callback', 'refresh', 'logout', 'session'].flatMap((action) => [
        own('web', action),
        own('shop', action),
      ]),
    ],
  };
}

export class Browser {
  readonly cookies = new Map<string, string>();
  /** At the issuer. */
  readonly elsewhere = new Map<string, string>();
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get sid(): string {
    return this.cookies.get(SID) ?? '';
  }

  /** The `Cookie` field; empty when there is none. */
  get fields(): string[] {
    if (this.cookies.size === 0) return [];
    return [`Cookie: ${[...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')}`];
  }

  async get(path: string, ...fields: string[]): Promise<RawAnswer> {
    return this.take(await this.#scene.ask(get(path, ...this.fields, ...fields)));
  }

  async post(path: string, ...fields: string[]): Promise<RawAnswer> {
    return this.take(
      await this.#scene.ask(head('POST', path, 'Content-Length: 0', ...this.fields, ...fields)),
    );
  }

  /** Keeps what an answer sets. */
  take(answer: RawAnswer): RawAnswer {
    for (const line of answer.all('set-cookie')) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) as RegExpExecArray;
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  /** Up to the issuer and back: the path of the callback with its query, not visited yet. */
  async begin(path = '/web/login'): Promise<string> {
    const away = await this.get(path);
    expect(away.status).toBe(302);
    const back = await this.#scene.issuer.visit(away.header('location') as string, this.elsewhere);
    return back.pathname + back.search;
  }

  async login(user = 'alice'): Promise<RawAnswer> {
    this.#scene.issuer.user = user;
    const answer = await this.get(await this.begin());
    expect(answer.status, answer.body.toString()).toBe(302);
    return answer;
  }
}
