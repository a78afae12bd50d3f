/** Code in a process of its own, with the built store: what one process writes, the other reads. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const STORE = new URL('../../../dist/services/store/', import.meta.url).href;

export interface OtherProcess {
  readonly child: ChildProcess;
  /** The next line it prints. */
  line(): Promise<string>;
}

/** `code` sees `store` (everything the store exports), `data` and `say`. */
export function startProcess(data: string, code: string): OtherProcess {
  const program = `
    const [{ openStore }, { openReader }, { StoreWatch }] = await Promise.all(
      ['replica', 'embedded', 'store-watch'].map((file) => import(${JSON.stringify(STORE)} + file + '.js')));
    const data = ${JSON.stringify(data)};
    const say = (value) => process.stdout.write(value + '\\n');
    ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { child, line: async () => (await lines.next()).value as string };
}
