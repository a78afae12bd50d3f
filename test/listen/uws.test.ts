import { execFile } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withAllCloseCodes } from '../../src/listen/addon/close-codes.js';
import { wantsGlibc238, withoutGlibc238 } from '../../src/listen/addon/glibc.js';
import { loadUws, type us_listen_socket } from '../../src/listen/addon/uws.js';

const packageFolder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
const binary = (arch: string) => join(packageFolder, `uws_linux_${arch}_${process.versions.modules}.node`);

describe('the copy for older C libraries', () => {
  test.each([
    { arch: 'x64', symbols: 3, indexOf238: 19 },
    { arch: 'arm64', symbols: 2, indexOf238: 13 },
  ])('differs from the $arch binary in $symbols names, their versions and one flag', (expected) => {
    const source = readFileSync(binary(expected.arch));
    const changes = differences(source, withoutGlibc238(source));

    const names = changes.slice(0, expected.symbols);
    expect(names.map(([from, to]) => to - from)).toEqual(names.map(() => '__isoc23_'.length));
    const versions = names.map(() => [expected.indexOf238, 2]);
    expect(changes.slice(expected.symbols)).toEqual([...versions, [0, 2]]);
  });

  test('leaves its source alone', () => {
    const source = readFileSync(binary('x64'));
    const before = Buffer.from(source);
    withoutGlibc238(source);
    expect(source.equals(before)).toBe(true);
  });

  test('is refused when another symbol wants the new version', () => {
    const source = readFileSync(binary('x64'));
    source.write('__isoc23_sscanf', source.indexOf('\0__isoc23_strtol\0') + 1, 'latin1');
    expect(() => withoutGlibc238(source)).toThrow('__isoc23_sscanf wants GLIBC_2.38');
  });

  test('is refused when the binary does not want the new version', () => {
    const source = readFileSync(binary('x64'));
    source.write('GLIBC_2.37', source.indexOf('\0GLIBC_2.38\0') + 1, 'latin1');
    expect(() => withoutGlibc238(source)).toThrow('does not ask for GLIBC_2.38');
  });

  test('is refused for what is not a 64-bit ELF file', () => {
    expect(() => withoutGlibc238(Buffer.alloc(0))).toThrow('not a 64-bit');
    expect(() => withoutGlibc238(Buffer.from('\x7fELF\x01\x01, and more'))).toThrow('not a 64-bit');
    expect(() => withoutGlibc238(readFileSync(binary('x64')).subarray(0, 4096))).toThrow();
  });

  test('is made for the one error that it cures', () => {
    expect(wantsGlibc238(new Error("libc.so.6: version `GLIBC_2.38' not found (required by x)"))).toBe(true);
    expect(wantsGlibc238(new Error("libc.so.6: version `GLIBC_2.39' not found (required by x)"))).toBe(false);
    expect(wantsGlibc238(new Error('invalid ELF header'))).toBe(false);
  });
});

describe('the copy that reads all close codes', () => {
  /** Two numbers each: x86-64 has three of their bytes as they were, AArch64 has them across bytes. */
  test.each([
    ['x64', [12, 9, 0xac, 0xc1, 0x0b, 0x07]],
    ['arm64', [0xd2, 0xde, 0xb1, 0x05, 0x2e, 0x1f]],
  ])('differs from the %s binary in two numbers at four places', (arch, bytes) => {
    const source = readFileSync(binary(arch));
    const changes = differences(source, withAllCloseCodes(source)!);
    expect(changes.flat()).toEqual(Array.from({ length: 4 }, () => bytes).flat());
  });

  test('is not made of what is not known', () => {
    const source = readFileSync(binary('x64'));
    const once = withAllCloseCodes(source)!;
    expect(withAllCloseCodes(once)).toBeNull();
    expect(withAllCloseCodes(Buffer.alloc(0))).toBeNull();
    expect(withAllCloseCodes(readFileSync(import.meta.filename))).toBeNull();
  });
});

describe.skipIf(process.platform !== 'linux')('the folder of the copy', () => {
  let folder = '';
  let cache = '';
  let temporary = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    cache = join(folder, 'cache', 'sluice');
    temporary = join(folder, 'tmp');
    mkdirSync(temporary);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Opens the copy in a process of its own and answers with the type of what it offers. */
  async function openElsewhere(): Promise<string> {
    const script = `
      import { openPatched } from ${JSON.stringify(new URL('../../dist/listen/addon/uws.js', import.meta.url))};
      console.log(typeof openPatched(${JSON.stringify(binary(process.arch))}).App);`;
    const env = { ...process.env, XDG_CACHE_HOME: dirname(cache), TMPDIR: temporary };
    const args = ['--input-type=module', '--eval', script];
    return (await promisify(execFile)(process.execPath, args, { env })).stdout.trim();
  }

  const copies = (where: string) => readdirSync(where).map((name) => join(where, name));

  test('holds one whole copy after four processes have started at once', async () => {
    const opened = await Promise.all([openElsewhere(), openElsewhere(), openElsewhere(), openElsewhere()]);

    expect(opened).toEqual(['function', 'function', 'function', 'function']);
    expect(copies(cache)).toHaveLength(1);
    const image = withoutGlibc238(withAllCloseCodes(readFileSync(binary(process.arch)))!);
    expect(readFileSync(copies(cache)[0]!).equals(image)).toBe(true);
    expect(statSync(cache).mode & 0o777).toBe(0o700);
  });

  test('keeps a good copy and replaces a damaged one', async () => {
    await openElsewhere();
    const [copy] = copies(cache);
    const first = statSync(copy!);
    await openElsewhere();
    expect(statSync(copy!).ino).toBe(first.ino);

    truncateSync(copy!, 1000);
    expect(await openElsewhere()).toBe('function');
    expect(statSync(copy!).size).toBe(first.size);
  });

  test('is another one when others may write to the first', async () => {
    mkdirSync(cache, { recursive: true });
    chmodSync(cache, 0o777);

    expect(await openElsewhere()).toBe('function');
    expect(copies(cache)).toEqual([]);
    expect(readdirSync(temporary)).toEqual([`sluice-${process.geteuid?.()}`]);
  });
});

describe('the loaded module', () => {
  const uws = loadUws(8192);
  const app = uws.App().any('/*', (res, req) => {
    res.end(`${req.getCaseSensitiveMethod()} ${req.getUrl()}`);
  });
  let url = '';

  beforeAll(async () => {
    const socket = await new Promise<us_listen_socket | false>((resolve) =>
      app.listen('127.0.0.1', 0, resolve),
    );
    if (!socket) throw new Error('cannot listen');
    url = `http://127.0.0.1:${uws.us_socket_local_port(socket)}`;
  });
  afterAll(() => {
    app.close();
  });

  test('serves a request and does not name itself', async () => {
    const response = await fetch(`${url}/hello`, { method: 'PUT' });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('PUT /hello');
    expect([...response.headers.keys()].sort()).toEqual(['content-length', 'date']);
  });

  test('takes headers up to the limit it was loaded with and no more', async () => {
    const status = async (bytes: number) =>
      (await fetch(url, { headers: { 'x-filler': 'x'.repeat(bytes) } })).status;
    expect(await status(7500)).toBe(200);
    expect(await status(8500)).toBe(431);
  });

  test('is the same at the second call', () => {
    expect(loadUws(4096)).toBe(uws);
  });
});

/** The bytes in which two buffers of one length differ, as [before, after]. */
function differences(a: Buffer, b: Buffer): [number, number][] {
  expect(b.length).toBe(a.length);
  const found: [number, number][] = [];
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) found.push([a[i]!, b[i]!]);
  return found;
}
