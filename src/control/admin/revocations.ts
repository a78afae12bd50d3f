import { RecordFault } from '../../services/records/record-fault.js';
import { checkProvider, RevocationList } from '../../services/records/revocation-list.js';
import { type Endpoint, json } from './endpoint.js';
import { Members } from './members.js';
import { withRecords } from './with-records.js';

const create: Endpoint = {
  path: '/revocations',
  method: 'POST',
  summary:
    'Voids what a user holds, sessions too: { user, provider }; or one token: { tokenId, provider, until? }, until its `exp`.',
  body: true,
  handle: withRecords(async ({ store }, { body, remote }, plane) => {
    const members = new Members(body, ['user', 'tokenId', 'provider', 'until']);
    const provider = members.needed('provider');
    checkProvider(provider, plane.inForce().config.auth.providers);
    const user = members.text('user');
    const revocations = new RevocationList(store);
    if (user === undefined) {
      const tokenId = members.needed('tokenId');
      const until = await revocations.revokeToken(provider, tokenId, members.seconds('until'));
      plane.audit({ event: 'admin.token.revoke', provider, tokenId, remote });
      return json({ provider, tokenId, until }, 201);
    }
    if (members.text('tokenId') !== undefined || members.seconds('until') !== undefined) {
      throw new RecordFault('invalid', 'give user, or tokenId and until, not both');
    }
    const before = await revocations.revokeUser(provider, members.needed('user'));
    const sessions = await plane.revokeUser(provider, user);
    plane.audit({ event: 'admin.user.revoke', provider, user, sessions, remote });
    return json({ provider, user, before, sessions }, 201);
  }),
};

export const revocationEndpoints: readonly Endpoint[] = [create];
