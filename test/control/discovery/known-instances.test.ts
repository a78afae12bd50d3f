/** What of a registry is believed, and what is kept although it is gone. Time is the test's. */
import { describe, expect, it } from 'vitest';
import { KnownInstances } from '../../../src/control/discovery/known-instances.ts';
import { AddressPolicy } from '../../../src/services/registry/addresses.ts';
import { MOST_BYTES } from '../../../src/services/registry/instance.ts';

const OPEN = new AddressPolicy({ allowLoopback: false, networks: ['10.0.0.0/8'] });
const CLOSED = new AddressPolicy({ allowLoopback: false, networks: [] });
const entry = (id: string, more: object = {}) => ({
  id,
  leftMs: 1000,
  text: JSON.stringify({ url: `http://10.0.0.${id.charCodeAt(0)}:9001`, ...more }),
});
const known = () => new KnownInstances(OPEN);
const ids = (instances: KnownInstances) => instances.endpoints().map(({ id }) => id);

describe('an entry', () => {
  it('is an endpoint with all it says', () => {
    const instances = known();
    instances.update(
      [
        entry('a', {
          weight: 7,
          zone: 'z',
          priority: 2,
          version: '1',
          tags: ['t'],
          metadata: { k: 'v' },
          unknown: 1,
        }),
      ],
      0,
    );
    expect(instances.endpoints()).toEqual([
      {
        id: 'a',
        url: 'http://10.0.0.97:9001',
        weight: 7,
        zone: 'z',
        priority: 2,
        version: '1',
        tags: ['t'],
        metadata: { k: 'v' },
      },
    ]);
  });

  it.each([
    ['', 'empty'],
    ['{', 'not JSON'],
    ['7', 'not a JSON object'],
    ['[]', 'not a JSON object'],
    ['{}', 'url'],
    ['{"url":7}', 'url'],
    ['{"url":"http://10.0.0.1:9001/path"}', 'nothing behind the port'],
    ['{"url":"http://10.0.0.1:0"}', 'port'],
    ['{"url":"http://u:p@10.0.0.1"}', 'no user'],
    ['{"url":"ws://10.0.0.1"}', 'url'],
    ['{"url":"http://quotes"}', 'is a name'],
    ['{"url":"http://127.0.0.1"}', 'loopback'],
    [`{"url":"http://10.0.0.1${' '.repeat(500)}"}`, 'url'],
    ['{"url":"http://10.0.0.1","weight":0}', 'weight'],
    ['{"url":"http://10.0.0.1","weight":1e9}', 'weight'],
    ['{"url":"http://10.0.0.1","weight":"5"}', 'weight'],
    ['{"url":"http://10.0.0.1","priority":-1}', 'priority'],
    ['{"url":"http://10.0.0.1","zone":"a\\nb"}', 'zone'],
    ['{"url":"http://10.0.0.1","tags":"a"}', 'tags'],
    ['{"url":"http://10.0.0.1","tags":[1]}', 'tags'],
    ['{"url":"http://10.0.0.1","metadata":[]}', 'metadata'],
    ['{"url":"http://10.0.0.1","metadata":{"a":1}}', 'metadata'],
    ['{"url":"http://10.0.0.1","metadata":{"__proto__":"x"}}', 'metadata'],
    [`{"url":"http://10.0.0.1","metadata":{"a":"${'x'.repeat(300)}"}}`, 'metadata'],
  ])('is skipped when it is garbage, and only it: %s', (text, reason) => {
    const instances = known();
    const faults = instances.update([{ id: 'bad', leftMs: 1, text }, entry('a')], 0);
    expect(faults.get('bad')).toContain(reason);
    expect(ids(instances)).toEqual(['a']);
  });

  it.each(['', '../x', 'a b', '\u0000', 'x'.repeat(200), 'ä'])('is skipped when its id is %j', (id) => {
    const instances = known();
    instances.update([{ ...entry('a'), id }], 0);
    expect(instances.endpoints()).toEqual([]);
    expect(instances.skipped.size).toBe(1);
  });

  it('is complained about once, and again when its fault changes', () => {
    const instances = known();
    const bad = (text: string) => instances.update([{ id: 'bad', leftMs: 1, text }], 0).size;
    expect([bad('{'), bad('{'), bad('[]'), bad('[]')]).toEqual([1, 0, 1, 0]);
  });

  it('has its URL alone: two ids for one are one endpoint', () => {
    const instances = known();
    const entries = [{ ...entry('a'), id: 'b' }, entry('a')];
    expect([...instances.update(entries, 0)]).toEqual([['b', 'a has this URL']]);
    expect(instances.update(entries, 1).size).toBe(0);
    expect(ids(instances)).toEqual(['a']);
    expect(instances.skipped.has('b')).toBe(true);
    instances.left('a');
    expect(ids(instances)).toEqual(['b']);
  });

  it('is judged again when other addresses are allowed', () => {
    const instances = known();
    instances.update([entry('a')], 0);
    expect(instances.takePolicy(CLOSED, 1).size).toBe(1);
    expect(ids(instances)).toEqual([]);
    instances.takePolicy(OPEN, 2);
    expect(ids(instances)).toEqual(['a']);
  });
});

describe('what disappears', () => {
  it('is gone at once, usually', () => {
    const instances = known();
    instances.update([entry('a'), entry('b')], 0);
    instances.update([entry('b')], 1);
    expect(ids(instances)).toEqual(['b']);
  });

  it('stays until the time of grace is over, when the registry may have lost it', () => {
    const instances = known();
    instances.update([entry('a'), entry('b')], 0);
    instances.keepUntil(100);
    instances.update([], 10);
    instances.update([entry('b')], 50);
    expect(ids(instances)).toEqual(['a', 'b']);
    expect([instances.lingers('a'), instances.lingers('b')]).toEqual([true, false]);
    expect(instances.endGrace(99)).toBe(0);
    expect(instances.endGrace(100)).toBe(1);
    expect(ids(instances)).toEqual(['b']);
  });

  it('does not stay when it has said that it leaves, nor when its address is no longer allowed', () => {
    const instances = known();
    instances.update([entry('a'), entry('b')], 0);
    instances.keepUntil(100);
    instances.left('a');
    instances.update([], 10);
    expect(ids(instances)).toEqual(['b']);
    instances.takePolicy(CLOSED, 20);
    expect(ids(instances)).toEqual([]);
  });

  it('makes room for an instance with another id at the same URL', () => {
    const instances = known();
    instances.update([entry('a')], 0);
    instances.keepUntil(100);
    instances.update([{ ...entry('a'), id: 'new' }], 10);
    expect(ids(instances)).toEqual(['new']);
  });
});

it('remembers no more garbage than a bounded amount', () => {
  const instances = known();
  const garbage = Array.from({ length: 5000 }, (_, i) => ({
    id: `g${i}`,
    leftMs: 1,
    text: 'x'.repeat(MOST_BYTES),
  }));
  instances.update(garbage, 0);
  expect(instances.skipped.size).toBe(1000);
});
