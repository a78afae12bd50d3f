/** `node sign.ts DIR FROM COUNT FILE` writes COUNT tokens, signed with the RSA key in DIR, one a line. */
import { writeFileSync } from 'node:fs';
import { mint, rsaKeyOf } from './tokens.ts';

const [dir = '', from, count, file = ''] = process.argv.slice(2);
const key = rsaKeyOf(dir);
writeFileSync(file, Array.from({ length: Number(count) }, (_, i) => mint(key, Number(from) + i)).join('\n'));
