import { RecordFault } from '../../services/records/record-fault.js';
import { checkProvider, RevocationList } from '../../services/records/revocation-list.js';
import { type Command, UsageError } from '../command.js';
import { momentOption, printJson, RECORD_OPTIONS, withStore } from './store.js';

export const revoke: Command = {
  usage: '(--user USER [--ban-until WHEN | --lift] | --token-id JTI) --provider NAME -c FILE [--json]',
  description: `Voids all tokens and sessions that a user of a provider has been given so far, or one token. With the gateway running, no
worker of any machine takes them a second later, and their open WebSockets are closed. New logins are not affected, unless the user is banned.`,
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
    'ban-until': {
      type: 'string',
      value: 'WHEN',
      description: 'Nor what the user is given until then: time, or duration from now.',
    },
    lift: { type: 'boolean', description: 'Ends a ban. What was issued before stays void.' },
    ...RECORD_OPTIONS,
  },
  run(input) {
    const user = input.text('user');
    const tokenId = input.text('token-id');
    if ((user === undefined) === (tokenId === undefined)) throw new UsageError('give --user or --token-id');
    const untilMs = momentOption(input, 'until');
    if (user !== undefined && untilMs !== undefined) throw new UsageError('--until goes with --token-id');
    const bannedMs = momentOption(input, 'ban-until');
    const lift = input.flag('lift');
    if (user === undefined && (lift || bannedMs !== undefined))
      throw new UsageError('--ban-until and --lift go with --user');
    if (lift && bannedMs !== undefined) throw new UsageError('give --ban-until or --lift');
    return withStore(input, async (store, { auth }, note) => {
      const provider = input.needed('provider');
      checkProvider(provider, auth.providers);
      const revocations = new RevocationList(store);
      if (lift) {
        await liftBan(revocations, provider, user as string, input.flag('json'));
        await note({ event: 'admin.user.unban', provider, user });
        return;
      }
      const done =
        user !== undefined
          ? { provider, user, before: await revocations.revokeUser(provider, user, secondsOf(bannedMs)) }
          : {
              provider,
              tokenId,
              until: await revocations.revokeToken(provider, tokenId as string, secondsOf(untilMs)),
            };
      const ban = bannedMs === undefined ? {} : { banUntil: secondsOf(bannedMs) };
      if (user === undefined) await note({ event: 'admin.token.revoke', provider, tokenId });
      else await note({ event: 'admin.user.revoke', provider, user, ...ban });
      if (input.flag('json')) printJson(done);
      else
        process.stdout.write(
          `revoked: ${user === undefined ? `token ${tokenId}` : `all that ${user} held`}\n`,
        );
    });
  },
};

function secondsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.ceil(ms / 1000);
}

async function liftBan(
  revocations: RevocationList,
  provider: string,
  user: string,
  asJson: boolean,
): Promise<void> {
  if (!(await revocations.liftBan(provider, user)))
    throw new RecordFault('missing', `"${user}" of ${provider} is not banned`);
  if (asJson) printJson({ provider, user });
  else process.stdout.write(`lifted: ${user} may come back\n`);
}
