import { type ConsumerChange, Consumers, type ConsumerView } from '../../services/records/consumers.js';
import { type CommandGroup, type Input, type Option, type SubCommand, UsageError } from '../command.js';
import { printJson, printMembers, printTable, RECORD_OPTIONS, remark, withStore } from './store.js';

const CHANGE: Readonly<Record<string, Option>> = {
  plan: { type: 'string', value: 'PLAN', description: 'Name of the plan; "" for none.' },
  role: {
    type: 'string',
    value: 'ROLE',
    multiple: true,
    description: 'A role of all its keys; "" for none.',
  },
  scope: {
    type: 'string',
    value: 'SCOPE',
    multiple: true,
    description: 'A scope of all its keys; "" for none.',
  },
  description: { type: 'string', value: 'TEXT', description: 'Who or what it is.' },
};

const create: SubCommand = {
  summary: 'make a consumer',
  usage: 'NAME -c FILE [OPTIONS]',
  description: 'Makes a consumer: a person, a service or a partner, who owns API keys.',
  options: { ...CHANGE, ...RECORD_OPTIONS },
  operands: ['NAME'],
  run: (input) =>
    withStore(input, async (store, { plans }, note) => {
      const consumers = new Consumers(store, Date.now, () => Object.keys(plans));
      const created = await consumers.create(input.operands[0], changeIn(input));
      await note({ event: 'admin.consumer.create', consumer: created.name });
      print(created, input.flag('json'));
    }),
};

const list: SubCommand = {
  summary: 'show all consumers',
  usage: '-c FILE [--json]',
  description: 'Shows all consumers.',
  options: RECORD_OPTIONS,
  run: (input) =>
    withStore(input, (store) => {
      const consumers = new Consumers(store).list();
      if (input.flag('json')) printJson({ consumers });
      else if (consumers.length === 0) remark('no consumers');
      else printTable([['NAME', 'STATE', 'PLAN', 'ROLES', 'DESCRIPTION'], ...consumers.map(rowOf)]);
    }),
};

const show: SubCommand = {
  summary: 'show one consumer',
  usage: 'NAME -c FILE [--json]',
  description: 'Shows what is known of a consumer.',
  options: RECORD_OPTIONS,
  operands: ['NAME'],
  run: (input) =>
    withStore(input, (store) => {
      print(new Consumers(store).show(input.operands[0]), input.flag('json'));
    }),
};

const update: SubCommand = {
  summary: 'change a consumer',
  usage: 'NAME -c FILE [OPTIONS]',
  description:
    'Changes what is given; the rest stays. A running gateway follows within a second, for all keys of the consumer.',
  options: {
    ...CHANGE,
    enable: { type: 'boolean', description: 'Its keys open what they opened before.' },
    disable: { type: 'boolean', description: 'None of its keys opens anything until it is enabled again.' },
    ...RECORD_OPTIONS,
  },
  operands: ['NAME'],
  run(input) {
    if (input.flag('enable') && input.flag('disable')) throw new UsageError('--enable and --disable at once');
    const change = changeIn(input);
    if (Object.keys(change).length === 0) throw new UsageError('nothing to change is given');
    return withStore(input, async (store, { plans }, note) => {
      const consumers = new Consumers(store, Date.now, () => Object.keys(plans));
      const updated = await consumers.update(input.operands[0], change);
      await note({ event: 'admin.consumer.update', consumer: updated.name, changed: Object.keys(change) });
      print(updated, input.flag('json'));
    });
  },
};

const remove: SubCommand = {
  summary: 'remove a consumer and revoke its keys',
  usage: 'NAME -c FILE [--json]',
  description: 'Removes a consumer and revokes all its keys, for ever.',
  options: RECORD_OPTIONS,
  operands: ['NAME'],
  run: (input) =>
    withStore(input, async (store, _config, note) => {
      const [name] = input.operands;
      const removed = await new Consumers(store).remove(name);
      await note({ event: 'admin.consumer.remove', consumer: name, ...removed });
      if (input.flag('json')) printJson({ name, ...removed });
      else process.stdout.write(`${name} is removed; keys revoked: ${removed.keysRevoked}\n`);
    }),
};

export const consumer: CommandGroup = {
  description:
    'Manages those who own API keys: persons, services, partners. Works whether the gateway runs or not.',
  commands: { create, list, show, update, remove },
};

/** Only what is given. */
function changeIn(input: Input): ConsumerChange {
  const words = (name: string) => {
    const list = input.list(name);
    return list.length === 0 ? undefined : list.filter((word) => word !== '');
  };
  const change = {
    plan: input.text('plan'),
    roles: words('role'),
    scopes: words('scope'),
    description: input.text('description'),
    enabled: input.flag('enable') ? true : input.flag('disable') ? false : undefined,
  };
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function print(view: ConsumerView, asJson: boolean): void {
  if (asJson) printJson(view);
  else printMembers(view);
}

function rowOf({ name, enabled, plan, roles, description }: ConsumerView): string[] {
  return [name, enabled ? 'enabled' : 'disabled', plan || '-', roles.join(',') || '-', description];
}
