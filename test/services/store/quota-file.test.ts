/** The file of counts where the disk is full: what cannot be written is said, and ends nothing. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { storeFolder } from './store-folder.ts';

const FILE = join(import.meta.dirname, '../../../dist/services/store/quotas/quota-file.js');

/** Runs where no file may grow beyond 300 KiB. Nobody looks at rejections, so one too many ends the process. */
const SCRIPT = `
  import { QuotaFile } from ${JSON.stringify(pathToFileURL(FILE).href)};
  const file = QuotaFile.open(process.argv[1]);
  let written = 0;
  const failures = new Set();
  for (let k = 0; k < 40; k++) {
    const counts = Array.from({ length: 512 }, (_, i) => ({
      h1: Math.imul(512 * k + i, 0x9e3779b1), h2: i, count: 1, expires: 1e13, kept: true,
    }));
    await file.write(counts).then(() => written++, (error) => failures.add(error.message));
    await file.setCaller('consumer', 'c' + k, { plan: '', seenAt: 1 }).catch(() => {});
    file.sweep({ counts: Buffer.alloc(1), callers: '' }, 100, 2e13, 2e13);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(JSON.stringify({ written: written > 0, failures: [...failures] }));
  process.exit(0);
`;

it.skipIf(process.platform === 'win32')('rejects what cannot be written, and nothing else', async () => {
  const node = `ulimit -f 300; exec "${process.execPath}" --input-type=module -e "$1" "$2"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', node, 'bash', SCRIPT, storeFolder()], {
    timeout: 15_000,
  });
  expect(JSON.parse(stdout)).toEqual({
    written: true,
    failures: [expect.stringMatching(/^counts of quotas cannot be written: /)],
  });
});
