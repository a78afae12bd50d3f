import { ApiKeys, type KeyView, type NewKey } from '../../services/records/api-keys.js';
import type { Notice } from '../../services/records/notices.js';
import { type CommandGroup, type Option, type SubCommand, UsageError } from '../command.js';
import {
  momentOption,
  printJson,
  printMembers,
  printTable,
  RECORD_OPTIONS,
  remark,
  spanOption,
  withStore,
} from './store.js';

const consumer: Option = { type: 'string', value: 'NAME', description: 'Who owns it.' };

const create: SubCommand = {
  summary: 'make a key',
  usage: '--consumer NAME -c FILE [OPTIONS]',
  description: `Makes an API key and prints it: alone on a line of standard output, or with all that is known of it as JSON. It is not
stored and cannot be shown again. A running gateway takes it within a second. A consumer of this name is made if there is none.`,
  options: {
    consumer: { ...consumer, required: true },
    env: {
      type: 'string',
      value: 'ENV',
      description: 'What it is for, a part of the key: live (default), test.',
    },
    name: { type: 'string', value: 'TEXT', description: 'What people call it.' },
    role: {
      type: 'string',
      value: 'ROLE',
      multiple: true,
      description: 'A role beside those of the consumer.',
    },
    scope: {
      type: 'string',
      value: 'SCOPE',
      multiple: true,
      description: 'A scope beside those of the consumer.',
    },
    plan: { type: 'string', value: 'PLAN', description: 'A plan instead of that of the consumer.' },
    network: {
      type: 'string',
      value: 'CIDR',
      multiple: true,
      description: 'From where it may be used, such as 10.0.0.0/8. Default: anywhere.',
    },
    expires: {
      type: 'string',
      value: 'WHEN',
      description: 'Duration such as 90d, or time such as 2027-01-31. Default: never.',
    },
    ...RECORD_OPTIONS,
  },
  run(input) {
    const expiresAt = momentOption(input, 'expires');
    return withStore(input, async (store, { plans }, note) => {
      const keys = new ApiKeys(store, Date.now, () => Object.keys(plans));
      const { created, consumerCreated } = await keys.create({
        consumer: input.needed('consumer'),
        env: input.text('env'),
        name: input.text('name'),
        roles: input.list('role'),
        scopes: input.list('scope'),
        plan: input.text('plan'),
        networks: input.list('network'),
        expiresAt,
      });
      if (consumerCreated) remark(`There was no consumer "${created.consumer}": it has been made.`);
      showNew(created, input.flag('json'));
      if (consumerCreated) await note({ event: 'admin.consumer.create', consumer: created.consumer });
      await note(about('create', created));
    });
  },
};

const list: SubCommand = {
  summary: 'show all keys',
  usage: '-c FILE [--consumer NAME] [--json]',
  description: 'Shows API keys, oldest first, without their secrets.',
  options: { consumer: { ...consumer, description: 'Only those of this consumer.' }, ...RECORD_OPTIONS },
  run: (input) =>
    withStore(input, (store) => {
      const keys = new ApiKeys(store).list(input.text('consumer'));
      if (input.flag('json')) printJson({ keys });
      else if (keys.length === 0) remark('no keys');
      else printTable([HEAD, ...keys.map(rowOf)]);
    }),
};

const show: SubCommand = {
  summary: 'show one key',
  usage: 'ID -c FILE [--json]',
  description: 'Shows what is known of a key: owner, rights, when it was last used. Never its secret.',
  options: RECORD_OPTIONS,
  operands: ['ID'],
  run: (input) =>
    withStore(input, (store) => {
      print(new ApiKeys(store).show(input.operands[0]), input.flag('json'));
    }),
};

const update: SubCommand = {
  summary: 'change the plan or the name of a key',
  usage: 'ID -c FILE [--plan PLAN] [--name TEXT] [--json]',
  description: 'Changes what is given; the rest stays. A running gateway follows within a second.',
  options: {
    plan: {
      type: 'string',
      value: 'PLAN',
      description: 'A plan instead of that of the consumer; "" for that one.',
    },
    name: { type: 'string', value: 'TEXT', description: 'What people call it.' },
    ...RECORD_OPTIONS,
  },
  operands: ['ID'],
  run(input) {
    const given = { plan: input.text('plan'), name: input.text('name') };
    const change = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    if (Object.keys(change).length === 0) throw new UsageError('nothing to change is given');
    return withStore(input, async (store, { plans }, note) => {
      const keys = new ApiKeys(store, Date.now, () => Object.keys(plans));
      const updated = await keys.update(input.operands[0], change);
      await note({ ...about('update', updated), changed: Object.keys(change) });
      print(updated, input.flag('json'));
    });
  },
};

const rotate: SubCommand = {
  summary: 'give a key a new secret',
  usage: 'ID -c FILE [--grace 24h] [--json]',
  description:
    'Gives a key a new secret and prints the new key. The old one stays valid for the grace time; one older still does not.',
  options: {
    grace: { type: 'string', value: 'TIME', description: 'How long the old one stays valid. Default: 24h.' },
    ...RECORD_OPTIONS,
  },
  operands: ['ID'],
  run(input) {
    const graceMs = spanOption(input, 'grace');
    return withStore(input, async (store, _config, note) => {
      const rotated = await new ApiKeys(store).rotate(input.operands[0], graceMs);
      showNew(rotated, input.flag('json'));
      await note(about('rotate', rotated));
    });
  },
};

const revoke: SubCommand = {
  summary: 'revoke a key, for ever',
  usage: 'ID -c FILE [--json]',
  description:
    'Revokes a key, for ever. With the gateway running no worker of any machine takes it a second later.',
  options: RECORD_OPTIONS,
  operands: ['ID'],
  run: (input) =>
    withStore(input, async (store, _config, note) => {
      const revoked = await new ApiKeys(store).revoke(input.operands[0]);
      await note(about('revoke', revoked));
      print(revoked, input.flag('json'));
    }),
};

export const key: CommandGroup = {
  description: `Manages API keys in the store that the configuration names (data, redis), whether the gateway runs or not.`,
  commands: { create, list, show, update, rotate, revoke },
};

function about(what: string, { id, consumer }: KeyView): Notice {
  return { event: `admin.key.${what}`, key: id, consumer };
}

function showNew(created: NewKey, asJson: boolean): void {
  if (asJson) {
    const { id, key, ...rest } = created;
    printJson({ id, key, ...rest });
    return;
  }
  process.stdout.write(`${created.key}\n`);
  remark(`Key ${created.id} of consumer "${created.consumer}". It is shown this once: keep it now.`);
}

function print(view: KeyView, asJson: boolean): void {
  if (asJson) printJson(view);
  else printMembers(view);
}

const HEAD = ['ID', 'CONSUMER', 'ENV', 'NAME', 'STATE', 'EXPIRES', 'LAST USED'];

function rowOf({ id, consumer, env, name, state, expiresAt, lastUsedAt }: KeyView): string[] {
  return [id, consumer, env, name || '-', state, expiresAt ?? 'never', lastUsedAt ?? 'never'];
}
