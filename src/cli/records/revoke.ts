import { checkProvider, RevocationList } from '../../services/records/revocation-list.js';
import { type Command, UsageError } from '../command.js';
import { momentOption, printJson, RECORD_OPTIONS, withStore } from './store.js';

export const revoke: Command = {
  usage: '(--user USER | --token-id JTI) --provider NAME -c FILE [--json]',
  description: `Voids all tokens and sessions that a user of a provider has been given so far, or one token. With the gateway running, no
worker of any machine takes them a second later. New logins are not affected.`,
  options: {
    user: { type: 'string', value: 'USER', description: 'Whose tokens and sessions.' },
    'token-id': { type: 'string', value: 'JTI', description: 'Which token: its claim "jti".' },
    provider: {
      type: 'string',
      value: 'NAME',
      required: true,
      description: 'The provider in the configuration that they are for.',
    },
    until: {
      type: 'string',
      value: 'WHEN',
      description: 'When the token expires: time, or duration from now. Default: 30d.',
    },
    ...RECORD_OPTIONS,
  },
  run(input) {
    const user = input.text('user');
    const tokenId = input.text('token-id');
    if ((user === undefined) === (tokenId === undefined)) throw new UsageError('give --user or --token-id');
    const untilMs = momentOption(input, 'until');
    if (user !== undefined && untilMs !== undefined) throw new UsageError('--until goes with --token-id');
    return withStore(input, async (store, { auth }) => {
      const provider = input.needed('provider');
      checkProvider(provider, auth.providers);
      const revocations = new RevocationList(store);
      const done =
        user !== undefined
          ? { provider, user, before: await revocations.revokeUser(provider, user) }
          : {
              provider,
              tokenId,
              until: await revocations.revokeToken(
                provider,
                tokenId as string,
                untilMs === undefined ? undefined : Math.ceil(untilMs / 1000),
              ),
            };
      if (input.flag('json')) printJson(done);
      else
        process.stdout.write(
          `revoked: ${user === undefined ? `token ${tokenId}` : `all that ${user} held`}\n`,
        );
    });
  },
};
