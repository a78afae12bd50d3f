/** Whom a broadcast is for, found without looking at everybody. */
import type { Audience } from '../../services/channels/messages.js';
import type { ChannelSession } from './session.js';

type Kind = 'user' | 'role' | 'route';

export class AudienceIndex {
  readonly all = new Set<ChannelSession>();
  readonly #by: Readonly<Record<Kind, Map<string, Set<ChannelSession>>>> = {
    user: new Map(),
    role: new Map(),
    route: new Map(),
  };
  /** Under what a session stands: what is known of its caller may change. */
  readonly #entries = new Map<ChannelSession, (readonly [Kind, string])[]>();

  add(session: ChannelSession): void {
    this.all.add(session);
    const { identity, route } = session.x;
    const entries: (readonly [Kind, string])[] = [
      ['route', route?.name ?? ''],
      ...(identity === null || identity.user === '' ? [] : [['user', identity.user] as const]),
      ...[...new Set(identity?.roles ?? [])].map((role) => ['role', role] as const),
    ];
    this.#entries.set(session, entries);
    for (const [kind, name] of entries) {
      const found = this.#by[kind].get(name);
      if (found === undefined) this.#by[kind].set(name, new Set([session]));
      else found.add(session);
    }
  }

  delete(session: ChannelSession): boolean {
    for (const [kind, name] of this.#entries.get(session) ?? []) {
      const found = this.#by[kind].get(name);
      found?.delete(session);
      if (found?.size === 0) this.#by[kind].delete(name);
    }
    this.#entries.delete(session);
    return this.all.delete(session);
  }

  find(to: Audience): Iterable<ChannelSession> {
    if ('all' in to) return this.all;
    for (const kind of ['user', 'role', 'route'] as const) {
      const name = (to as Partial<Record<typeof kind, string>>)[kind];
      if (name !== undefined) return this.#by[kind].get(name) ?? [];
    }
    return [];
  }
}
