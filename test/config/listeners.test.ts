import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const tls = (options: string) => `listen:\n  tls:\n    { ${options} }\n`;

describe('the admin port', () => {
  it('needs a token on anything but a loopback address', () => {
    expect(mistakesIn('admin: 0.0.0.0:9901')).toEqual([
      '1:8  admin  the admin port listens on 0.0.0.0 without a token: whoever reaches it could reload and read the configuration; expected admin.token, or a loopback address such as 127.0.0.1',
    ]);
    expect(mistakesIn('admin: { host: "::", port: 9901 }')).toHaveLength(1);
    expect(mistakesIn('admin: { host: "::", port: 9901, token: s3cret }')).toEqual([]);
    expect(mistakesIn('admin: "[::1]:9901"')).toEqual([]);
    expect(mistakesIn('admin: 127.8.9.10:9901')).toEqual([]);
    expect(mistakesIn('admin: localhost:9901')).toEqual([]);
    expect(mistakesIn('admin: off')).toEqual([]);
  });

  it('is never the port of the clients', () => {
    expect(mistakesIn('listen: 8080\nadmin: 127.0.0.1:8080')).toEqual([
      '2:8  admin  port 8080 is taken by "listen" already; expected another port',
    ]);
    expect(mistakesIn('listen: 127.0.0.2:8080\nadmin: 127.0.0.1:8080')).toEqual([]);
    expect(mistakesIn('listen: 0\nadmin: 0')).toEqual([]);
  });
});

describe('a certificate', () => {
  it('and its key are read from the folder of the configuration', () => {
    const config = configOf(tls('cert: tls/one.crt, key: tls/one.key'));
    expect(config.listen.tls).toEqual({
      cert: `${import.meta.dirname}/tls/one.crt`,
      key: `${import.meta.dirname}/tls/one.key`,
      sni: [],
    });
  });

  it('must exist', () => {
    expect(mistakesIn(tls('cert: tls/none.crt, key: tls'))).toEqual([
      `3:13  listen.tls.cert  ${import.meta.dirname}/tls/none.crt does not exist`,
      `3:32  listen.tls.key  ${import.meta.dirname}/tls is a folder`,
    ]);
  });

  it('must be one, and its key a key', () => {
    expect(mistakesIn(tls('cert: tls/one.key, key: tls/one.crt'))).toEqual([
      '3:13  listen.tls.cert  tls/one.key holds no certificate; expected a PEM file',
      '3:31  listen.tls.key  tls/one.crt holds no private key; expected a PEM file',
    ]);
  });

  it('must belong to its key', () => {
    expect(mistakesIn(tls('cert: tls/one.crt, key: tls/two.key'))).toEqual([
      '3:31  listen.tls.key  tls/two.key is not the key of tls/one.crt; expected the private key of the first certificate in that file',
    ]);
  });

  it('may have a key with a passphrase, which must be right', () => {
    const key = 'cert: tls/one.crt, key: tls/one-encrypted.key';
    expect(mistakesIn(tls(key))).toEqual([
      '3:31  listen.tls.key  tls/one-encrypted.key is encrypted; expected a passphrase',
    ]);
    expect(mistakesIn(tls(`${key}, passphrase: wrong`))).toEqual([
      '3:31  listen.tls.key  tls/one-encrypted.key cannot be read with this passphrase',
    ]);
    expect(mistakesIn(tls(`${key}, passphrase: secret`))).toEqual([]);
  });

  it('that has expired is a warning', () => {
    expect(warningsIn(tls('cert: tls/two-expired.crt, key: tls/two.key'))).toEqual([
      '3:13  listen.tls.cert  tls/two-expired.crt expired on Feb  1 00:00:00 2020 GMT',
    ]);
  });

  it('for a further name is checked likewise, and each name has one', () => {
    const sni = (host: string, key: string) => `{ host: ${host}, cert: tls/two.crt, key: tls/${key}.key }`;
    const text = tls(
      `cert: tls/one.crt, key: tls/one.key,\n      sni: [${sni('a.com', 'one')},\n        ${sni('A.com', 'two')}]`,
    );
    expect(mistakesIn(text)).toEqual([
      expect.stringContaining('4:52  listen.tls.sni[0].key  tls/one.key is not the key of tls/two.crt'),
      '5:17  listen.tls.sni[1].host  "a.com" has a certificate already, on line 4',
    ]);
  });

  it('authority of a service must exist', () => {
    const text = 'services: { a: { endpoints: ["https://a"], tls: { ca: tls/none.crt } } }';
    expect(mistakesIn(text)).toEqual([expect.stringContaining('1:55  services.a.tls.ca  ')]);
  });
});
