/** Who may call, as a configuration can get it wrong. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { maskSecrets } from '../../src/config/secrets.ts';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const SECRET = '0123456789abcdef0123456789abcdef';
const INTERNAL = `internal: { type: jwt, algorithms: [HS256], secret: ${SECRET} }`;
const WEB = `web: { type: session, login: { issuer: "https://id.example.com", clientId: sluice } }`;
const CALLBACK = '- { name: callback, match: { path: /auth/callback }, builtin: callback }';

const provider = (text: string) => mistakesIn(`auth:\n  providers:\n    p: { ${text} }\n`);
const route = (auth: string, path = '/a', providers = INTERNAL) =>
  mistakesIn(
    `auth: { providers: { ${providers} } }\nroutes:\n  - { name: a, match: { path: "${path}" }, respond: {}, auth: ${auth} }\n`,
  );

describe('a jwt provider', () => {
  it('names issuer and audience when its keys are public', () => {
    expect(provider('type: jwt, algorithms: [RS256], jwks: "https://id.example.com/jwks"')).toEqual([
      expect.stringMatching(
        /^3:8 {2}auth\.providers\.p {2}issuer is missing: .*expected issuer, or issuer: any$/,
      ),
      expect.stringMatching(/^3:8 {2}auth\.providers\.p {2}audience is missing/),
    ]);
  });

  it('may say that any issuer and audience will do', () => {
    expect(
      provider(
        'type: jwt, algorithms: [RS256], jwks: "https://id.example.com/jwks", issuer: any, audience: any',
      ),
    ).toEqual([]);
  });

  it('does not mix shared secrets with public keys', () => {
    expect(provider(`type: jwt, algorithms: [HS256, RS256], secret: ${SECRET}`)).toEqual([
      expect.stringMatching(/^3:33 .*algorithm confusion .*expected two providers$/),
    ]);
  });

  it.each([
    ['HS256', 'a secret of 31 bytes is short', 31],
    ['HS512', 'a secret of 63 bytes is s', 63],
  ])('has a secret as long as the hash of %s', (algorithm, _, bytes) => {
    expect(provider(`type: jwt, algorithms: [${algorithm}], secret: ${'x'.repeat(bytes)}`)).toEqual([
      expect.stringContaining(`the secret has ${bytes} bytes; expected at least ${bytes + 1}`),
    ]);
    expect(provider(`type: jwt, algorithms: [${algorithm}], secret: ${'x'.repeat(bytes + 1)}`)).toEqual([]);
  });

  it('refuses an RSA key below 2048 bits', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const pem = JSON.stringify(publicKey.export({ type: 'spki', format: 'pem' }));
    expect(provider(`type: jwt, algorithms: [RS256], issuer: any, audience: any, publicKey: ${pem}`)).toEqual(
      [expect.stringContaining('the RSA key has 1024 bits; expected at least 2048')],
    );
  });

  it('refuses a key that fits none of its algorithms, and a private one', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const pem = (key: typeof publicKey, type: 'spki' | 'pkcs8') =>
      JSON.stringify(key.export({ type: type as 'spki', format: 'pem' }));
    const options = 'type: jwt, algorithms: [ES256, RS256], issuer: any, audience: any, publicKey:';
    expect(provider(`${options} ${pem(publicKey, 'spki')}`)).toEqual([
      expect.stringContaining('the key (ec) fits none of ES256, RS256'),
    ]);
    expect(provider(`${options} ${pem(privateKey, 'pkcs8')}`)).toEqual([
      expect.stringContaining('this is no public key'),
    ]);
  });

  it('never takes none for an algorithm', () => {
    expect(provider('type: jwt, algorithms: [none], secret: x')).toEqual([
      expect.stringMatching(
        /^3:\d+ {2}auth\.providers\.p\.algorithms\[0\] {2}"none" is not allowed here; expected HS256/,
      ),
    ]);
  });

  it('needs keys from somewhere', () => {
    expect(provider('type: jwt, algorithms: [RS256], issuer: any, audience: a')).toEqual([
      expect.stringContaining('there are no keys; expected jwks, publicKey, or an issuer'),
    ]);
    expect(provider('type: jwt, algorithms: [HS256]')).toEqual([
      expect.stringContaining('HS256 needs a secret'),
    ]);
    expect(provider('type: jwt, algorithms: [HS256], secret: { file: nowhere.txt }')).toEqual([
      expect.stringContaining('nowhere.txt does not exist'),
    ]);
  });

  it('bounds the skew', () => {
    expect(provider(`type: jwt, algorithms: [HS256], secret: ${SECRET}, skew: 61s`)).toEqual([
      expect.stringContaining('61s is too large; expected at most 1m'),
    ]);
  });
});

describe('a provider', () => {
  it('has a type that exists', () => {
    expect(provider('type: jwtt')).toEqual([expect.stringMatching(/^3:\d+ {2}auth\.providers\.p/)]);
  });

  it('is warned of when secrets would cross the network in the clear', () => {
    const text = (host: string) =>
      `auth: { providers: { p: { type: introspection, url: "http://${host}/i", clientId: a } } }`;
    expect(warningsIn(text('id.example.com'))).toEqual([
      expect.stringContaining('id.example.com is reached without TLS'),
    ]);
    expect(warningsIn(text('127.0.0.1:9000'))).toEqual([]);
  });

  it('for sessions needs a route for the way back', () => {
    expect(mistakesIn(`auth: { providers: { ${WEB} } }`)).toEqual([
      expect.stringContaining('no route takes browsers back at /auth/callback'),
    ]);
    expect(mistakesIn(`auth: { providers: { ${WEB} } }\nroutes:\n  ${CALLBACK}\n`)).toEqual([]);
  });

  it('cannot be called anonymous', () => {
    expect(mistakesIn(`auth: { providers: { anonymous: { type: apiKey } } }`)).toEqual([
      expect.stringContaining('"anonymous" is always there'),
    ]);
  });
});

describe('a route', () => {
  it('names providers that exist', () => {
    expect(route('{ anyOf: [internl] }')).toEqual([
      '3:68  routes[0].auth.anyOf[0]  there is no provider "internl"; expected one of internal, anonymous; did you mean internal?',
    ]);
    expect(route('[internal, nobody]')).toEqual([expect.stringContaining('there is no provider "nobody"')]);
    expect(route('nobody')).toEqual([expect.stringContaining('there is no provider "nobody"')]);
    expect(route('{ anyOf: [internal, anonymous] }')).toEqual([]);
  });

  it.each(['{ anyOf: [anonymous, internal] }', '[anonymous, internal]'])(
    'is warned of ways in that are never asked: %s',
    (auth) => {
      const text = (written: string) =>
        `auth: { providers: { ${INTERNAL} } }\nroutes: [{ name: a, match: { path: /a }, respond: {}, auth: ${written} }]\n`;
      expect(warningsIn(text(auth))).toEqual([
        expect.stringContaining('"anonymous" lets everybody in before internal is asked'),
      ]);
      expect(warningsIn(text('[internal, anonymous]'))).toEqual([]);
      expect(warningsIn(text('anonymous'))).toEqual([]);
    },
  );

  it.each(['X-User-Id', 'x-user-roles', 'X_Consumer_Id', 'X-Auth_Method'])(
    'maps no claim to a header that says who is calling: %s',
    (name) => {
      expect(route(`{ anyOf: [internal], claims: { ${name}: email } }`)).toEqual([
        expect.stringContaining(`"${name}" is where Sluice itself says who is calling`),
      ]);
      expect(route(`{ anyOf: [internal], claims: { ${name}-2: email } }`)).toEqual([]);
    },
  );

  it('says how callers come in, and in one way', () => {
    expect(route('{ roles: [a] }')).toEqual([expect.stringContaining('nothing says how callers come in')]);
    expect(route('{ anyOf: [internal], allOf: [internal] }')).toEqual([
      expect.stringContaining('anyOf and allOf exclude each other'),
    ]);
  });

  it('has conditions that make sense, with the place of what does not', () => {
    expect(route(`{ anyOf: [internal], when: "param.id == clam.sub" }`, '/a/:id')).toEqual([
      expect.stringMatching(/auth\.when .*clam.*character 13 of the condition/s),
    ]);
    expect(route(`{ anyOf: [internal], when: "param.user == claim.sub" }`, '/a/:id')).toEqual([
      expect.stringContaining('user'),
    ]);
    expect(route(`{ anyOf: [internal], methods: { DELETE: { when: "1 ==" } } }`)).toEqual([
      expect.stringContaining('routes[0].auth.methods.DELETE.when'),
    ]);
  });

  it('names decision points that exist', () => {
    expect(route('{ anyOf: [internal], decision: policy }')).toEqual([
      expect.stringContaining('there is no decision point "policy"'),
    ]);
  });

  it('takes a condition of the defaults with its own parameters', () => {
    const text = `auth: { providers: { ${INTERNAL} } }\ndefaults: { auth: { anyOf: [internal], when: "param.id == claim.sub" } }\nroutes:\n  - { name: a, match: { path: "/a/:id" }, respond: {} }\n`;
    expect(mistakesIn(text)).toEqual([]);
    expect(mistakesIn(text.replace('/a/:id', '/a/:name'))).toEqual([
      expect.stringContaining('defaults.auth.when'),
    ]);
    expect(
      mistakesIn(text.replace('"/a/:id"', '/a').replace('respond: {}', 'respond: {}, auth: off')),
    ).toEqual([]);
  });

  it('has a builtin only for what there is', () => {
    expect(mistakesIn('routes: [{ name: a, match: { path: /a }, builtin: logout }]')).toEqual([
      expect.stringContaining('there are 0 session providers'),
    ]);
    expect(mistakesIn('routes: [{ name: a, match: { path: /a }, builtin: keys }]')).toEqual([
      expect.stringContaining('there is no public key to publish'),
    ]);
  });
});

describe('the folder of the store', () => {
  it('is there when a provider needs it', () => {
    expect(configOf('auth: { providers: { p: { type: apiKey } } }').data).toMatch(/\/data$/);
    expect(configOf(`auth: { providers: { ${INTERNAL} } }`).data).toBeNull();
    expect(configOf('data: /var/lib/sluice').data).toBe('/var/lib/sluice');
  });
});

it('secrets of providers are masked', () => {
  const config = configOf(
    `auth:
  providers:
    a: { type: jwt, algorithms: [HS256], secret: ["${SECRET}", { file: ${import.meta.dirname}/auth.test.ts }] }
    b: { type: introspection, url: "https://id.example.com/i", clientId: me, clientSecret: hunter2 }
  context: { jwt: { algorithm: HS256, key: ${SECRET} } }
  decisions: { d: { url: "https://pdp.example.com", headers: { authorization: Bearer hunter2 } } }
`,
  );
  const shown = JSON.stringify(maskSecrets(config));
  expect(shown).not.toContain(SECRET);
  expect(shown).not.toContain('hunter2');
  expect(shown).toContain('auth.test.ts');
});
