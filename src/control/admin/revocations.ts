import { RecordFault } from '../../services/records/record-fault.js';
import { checkProvider, RevocationList } from '../../services/records/revocation-list.js';
import { type Endpoint, json } from './endpoint.js';
import { Members } from './members.js';
import { withRecords } from './with-records.js';

const create: Endpoint = {
  path: '/revocations',
  method: 'POST',
  summary:
    'Voids what a user holds, sessions too: { user, provider }, and with { banUntil } what it is given until then; or one token: { tokenId, provider, until? }, until its `exp`.',
  body: true,
  handle: withRecords(async ({ store }, { body, remote }, plane) => {
    const members = new Members(body, ['user', 'tokenId', 'provider', 'until', 'banUntil']);
    const provider = members.needed('provider');
    checkProvider(provider, plane.inForce().config.auth.providers);
    const user = members.text('user');
    const revocations = new RevocationList(store);
    const banUntil = members.seconds('banUntil');
    if (user === undefined) {
      if (banUntil !== undefined) throw new RecordFault('invalid', 'banUntil goes with user');
      const tokenId = members.needed('tokenId');
      const until = await revocations.revokeToken(provider, tokenId, members.seconds('until'));
      plane.audit({ event: 'admin.token.revoke', provider, tokenId, remote });
      return json({ provider, tokenId, until }, 201);
    }
    if (members.text('tokenId') !== undefined || members.seconds('until') !== undefined) {
      throw new RecordFault('invalid', 'give user, or tokenId and until, not both');
    }
    const before = await revocations.revokeUser(provider, members.needed('user'), banUntil);
    const sessions = await plane.revokeUser(provider, user);
    const ban = banUntil === undefined ? {} : { banUntil };
    plane.audit({ event: 'admin.user.revoke', provider, user, sessions, ...ban, remote });
    return json({ provider, user, before, sessions }, 201);
  }),
};

const lift: Endpoint = {
  path: '/revocations',
  method: 'DELETE',
  summary: 'Lifts the ban of a user: ?user, ?provider. What was issued before stays void.',
  handle: withRecords(async ({ store }, { query, remote }, plane) => {
    const [user, provider] = [query.get('user') ?? '', query.get('provider') ?? ''];
    if (user === '' || provider === '') throw new RecordFault('invalid', 'user and provider are needed');
    checkProvider(provider, plane.inForce().config.auth.providers);
    if (!(await new RevocationList(store).liftBan(provider, user)))
      throw new RecordFault('missing', `"${user}" of ${provider} is not banned`);
    plane.audit({ event: 'admin.user.unban', provider, user, remote });
    return json({ provider, user });
  }),
};

export const revocationEndpoints: readonly Endpoint[] = [create, lift];
