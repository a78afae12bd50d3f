/** Section 6: what text may be made of. */
import { TEXT } from '../../harness/sockets.ts';
import { bad, type Case, fragmented, good, text } from './case.ts';

const hex = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const octets = (bytes: Buffer) => Array.from(bytes, (byte) => Buffer.from([byte]));

const GREEK = Buffer.from('κόσμε');
const HELLO = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
const SURROGATE_INSIDE = Buffer.concat([GREEK, hex('eda080'), Buffer.from('edited')]);
const TOO_HIGH = hex('f4908080');

const pieces: Case[] = [
  good('6.1.1', 'empty text', { send: (f) => [text(f, '')], messages: [''] }),
  good('6.1.2', 'three empty fragments', { send: (f) => fragmented(f, TEXT, ['', '', '']), messages: [''] }),
  good('6.1.3', 'an empty fragment before and behind', {
    send: (f) => fragmented(f, TEXT, ['', 'middle frame payload', '']),
    messages: ['middle frame payload'],
  }),
  good('6.2.1', 'letters of two bytes', { send: (f) => [text(f, HELLO)], messages: [HELLO.toString()] }),
  good('6.2.2', 'letters of two bytes in two fragments', {
    send: (f) => fragmented(f, TEXT, [HELLO.subarray(0, 12), HELLO.subarray(12)]),
    messages: [HELLO.toString()],
  }),
  good('6.2.3', 'letters of two bytes in fragments of one', {
    send: (f) => fragmented(f, TEXT, octets(HELLO)),
    messages: [HELLO.toString()],
  }),
  good('6.2.4', 'greek in fragments of one byte', {
    send: (f) => fragmented(f, TEXT, octets(GREEK)),
    messages: ['κόσμε'],
  }),
  bad('6.3.1', 'a surrogate between letters', { send: (f) => [text(f, SURROGATE_INSIDE)] }),
  bad('6.3.2', 'a surrogate between letters, in fragments of one byte', {
    send: (f) => fragmented(f, TEXT, octets(SURROGATE_INSIDE)),
  }),
  ...[
    [GREEK, TOO_HIGH, Buffer.from('edited')],
    [Buffer.concat([GREEK, hex('f4')]), hex('90'), Buffer.concat([hex('8080'), Buffer.from('edited')])],
    [Buffer.concat([GREEK, TOO_HIGH]), Buffer.from('edited')],
    [Buffer.concat([GREEK, hex('f490')]), hex('8080'), Buffer.from('edited')],
  ].map((parts, i) =>
    bad(`6.4.${i + 1}`, 'a code point above the last, across fragments', {
      send: (f) => fragmented(f, TEXT, parts),
    }),
  ),
];

type Table = readonly [section: number, what: string, valid: string, invalid: string];

/** Sequences of bytes, as the suite has them; those of a section that are valid and those that are not. */
const TABLES: readonly Table[] = [
  [
    5,
    'whole letters',
    'ce ba|ce ba e1 bd b9|ce ba e1 bd b9 cf 83|ce ba e1 bd b9 cf 83 ce bc|ce ba e1 bd b9 cf 83 ce bc ce b5',
    '',
  ],
  [
    6,
    'letters cut short',
    '',
    'ce|ce ba e1|ce ba e1 bd|ce ba e1 bd b9 cf|ce ba e1 bd b9 cf 83 ce|ce ba e1 bd b9 cf 83 ce bc ce',
  ],
  [7, 'the first code point of each length', '00|c2 80|e0 a0 80|f0 90 80 80', ''],
  [8, 'five and six bytes, first', '', 'f8 88 80 80 80|fc 84 80 80 80 80'],
  [9, 'the last code point of each length', '7f|df bf|ef bf bf|f4 8f bf bf', ''],
  [10, 'above the last code point', '', 'f7 bf bf bf|fb bf bf bf bf|fd bf bf bf bf bf'],
  [11, 'on both sides of bounds', 'ed 9f bf|ee 80 80|ef bf bd|f4 8f bf bf', 'f4 90 80 80'],
  [
    12,
    'lonely continuation bytes',
    '',
    '80|bf|80 bf|80 bf 80|80 bf 80 bf|80 bf 80 bf 80|80 bf 80 bf 80 bf|80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f 90 a0 b0 be',
  ],
  [
    13,
    'lonely first bytes',
    '',
    'c0 20 c1 20 df 20|e0 20 e1 20 ef 20|f0 20 f1 20 f7 20|f8 20 f9 20 fb 20|fc 20 fd 20',
  ],
  [
    14,
    'the last continuation byte missing',
    '',
    'c0|e0 80|f0 80 80|f8 80 80 80|fc 80 80 80 80|df|ef bf|f7 bf bf|fb bf bf bf|fd bf bf bf bf',
  ],
  [
    15,
    'all of those in a row',
    '',
    'c0 e0 80 f0 80 80 f8 80 80 80 fc 80 80 80 80 df ef bf f7 bf bf fb bf bf bf fd bf bf bf bf',
  ],
  [16, 'impossible bytes', '', 'fe|ff|fe fe ff ff'],
  [17, 'overlong slash', '', 'c0 af|e0 80 af|f0 80 80 af|f8 80 80 80 af|fc 80 80 80 80 af'],
  [18, 'overlong, the highest', '', 'c1 bf|e0 9f bf|f0 8f bf bf|f8 87 bf bf bf|fc 83 bf bf bf bf'],
  [19, 'overlong NUL', '', 'c0 80|e0 80 80|f0 80 80 80|f8 80 80 80 80|fc 80 80 80 80 80'],
  [20, 'single surrogates', '', 'ed a0 80|ed ad bf|ed ae 80|ed af bf|ed b0 80|ed be 80|ed bf bf'],
  [
    21,
    'paired surrogates',
    '',
    'ed a0 80 ed b0 80|ed a0 80 ed bf bf|ed ad bf ed b0 80|ed ad bf ed bf bf|ed ae 80 ed b0 80|ed ae 80 ed bf bf|ed af bf ed b0 80|ed af bf ed bf bf',
  ],
  [22, 'code points that are no characters', noCharacters(), ''],
  [23, 'specials', 'ef bf b9|ef bf ba|ef bf bb|ef bf bc|ef bf bd|ef bf be|ef bf bf', ''],
];

/** U+FFFE and U+FFFF of all planes: they may be sent. */
function noCharacters(): string {
  return Array.from({ length: 17 }, (_, plane) => [plane * 65_536 + 0xfffe, plane * 65_536 + 0xffff])
    .flat()
    .map((point) => Buffer.from(String.fromCodePoint(point)).toString('hex'))
    .join('|');
}

const sequences: Case[] = TABLES.flatMap(([section, what, valid, invalid]) => {
  const listed = (text: string) => (text === '' ? [] : text.split('|').map(hex));
  const passing = listed(valid);
  return [
    ...passing.map((bytes, i) =>
      good(`6.${section}.${i + 1}`, `${what}: ${bytes.toString('hex')}`, {
        send: (f) => [text(f, bytes)],
        messages: [bytes.toString()],
      }),
    ),
    ...listed(invalid).map((bytes, i) =>
      bad(`6.${section}.${passing.length + i + 1}`, `${what}: ${bytes.toString('hex')}`, {
        send: (f) => [text(f, bytes)],
      }),
    ),
  ];
});

export const UTF8: readonly Case[] = [...pieces, ...sequences];
