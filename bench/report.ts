/** `bench/results.md` is a list of sections; each program of the bench replaces its own. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describeMachine } from './machine.ts';

const FILE = new URL('./results.md', import.meta.url);
const PREAMBLE =
  '# Bench results\n\nWritten by `npm run bench`; [README.md](README.md) says how to read it.\n';

export interface Bar {
  what: string;
  /** What was asked for, e.g. `<= 1.9 x`. */
  bar: string;
  /** What was measured, with its unit; null when it could not be. */
  measured: string | null;
  met: boolean;
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

export function barTable(bars: readonly Bar[]): string {
  const verdict = ({ measured, met }: Bar): string =>
    measured === null ? 'not measured' : met ? 'pass' : '**FAIL**';
  return table(
    ['what', 'bar', 'measured', ''],
    bars.map((bar) => [bar.what, bar.bar, bar.measured ?? '-', verdict(bar)]),
  );
}

/** When and on what a section was measured. */
export function provenance(): string {
  return `${new Date().toISOString().slice(0, 10)} on ${describeMachine()}.`;
}

/** Replaces the sections named, keeps the others, and prints what it wrote. */
export function saveSections(sections: Readonly<Record<string, string>>): void {
  const kept = new Map<string, string>();
  const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
  for (const part of text.split(/^## /m).slice(1)) {
    const end = part.indexOf('\n');
    kept.set(part.slice(0, end), part.slice(end).trim());
  }
  for (const [title, body] of Object.entries(sections)) {
    kept.set(title, body.trim());
    console.log(`\n## ${title}\n\n${body.trim()}`);
  }
  writeFileSync(FILE, [PREAMBLE, ...[...kept].map(([title, body]) => `## ${title}\n\n${body}\n`)].join('\n'));
}

export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
