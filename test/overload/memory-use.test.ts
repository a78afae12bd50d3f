import { describe, expect, it } from 'vitest';
import { memoryPressure } from '../../src/overload/memory-use.ts';

/** The files of a system. */
const system = (files: Record<string, string>) => (file: string) => files[file] ?? null;

describe('a share of the memory', () => {
  it('is of the limit of the container, version 2, without the cache of files', () => {
    const files: Record<string, string> = {
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': '100000000\n',
      '/sys/fs/cgroup/memory.current': '60000000\n',
      '/sys/fs/cgroup/memory.stat': 'anon 1\ninactive_file 20000000\n',
    };
    const pressure = memoryPressure({ share: 0.8 }, system(files));
    expect(pressure()).toBeCloseTo(0.5);
    files['/sys/fs/cgroup/memory.current'] = '100000000\n';
    expect(pressure()).toBeCloseTo(1);
  });

  it('is of the tightest limit around the process', () => {
    const pressure = memoryPressure(
      { share: 1 },
      system({
        '/proc/self/cgroup': '0::/system.slice/sluice.service\n',
        '/sys/fs/cgroup/system.slice/sluice.service/memory.max': 'max\n',
        '/sys/fs/cgroup/system.slice/memory.max': '100000000\n',
        '/sys/fs/cgroup/system.slice/memory.current': '30000000\n',
      }),
    );
    expect(pressure()).toBeCloseTo(0.3);
  });

  it('is of the limit of the container, version 1, as the container sees it', () => {
    const pressure = memoryPressure(
      { share: 0.5 },
      system({
        '/proc/self/cgroup': '4:memory:/docker/abc\n3:cpuset:/\n',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '100000000\n',
        '/sys/fs/cgroup/memory/memory.usage_in_bytes': '40000000\n',
        '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 15000000\n',
      }),
    );
    expect(pressure()).toBeCloseTo(0.5);
  });

  it('is of the machine where there is no limit', () => {
    const files = {
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': 'max\n',
      '/proc/meminfo': 'MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    400 kB\n',
    };
    expect(memoryPressure({ share: 0.8 }, system(files))()).toBeCloseTo(0.75);
  });

  it('is read of this machine, whatever it is', () => {
    const pressure = memoryPressure({ share: 1 })();
    expect(pressure).toBeGreaterThan(0);
    expect(pressure).toBeLessThan(1.5);
  });
});

it('a size is of this process', () => {
  expect(memoryPressure({ bytes: process.memoryUsage.rss() * 2 })()).toBeCloseTo(0.5, 1);
});
