import type { Draft } from '../../draft.js';
import type { Path } from '../../mistakes.js';
import type { LimitConfig } from '../../schema/limits/limits.js';
import type { Report } from '../report.js';

/** What limits say about other machines: there must be a Redis to meet at. */
export function checkLimitSync({ settings, routes }: Draft, report: Report): void {
  const { limits, plans, defaults, redis } = settings;
  const look = ({ mode, algorithm, over }: LimitConfig, path: Path) => {
    const at = report.written([...path, 'mode'], path);
    if ((mode === 'synced' || mode === 'strict') && redis === null) {
      report.mistake({
        path: at,
        message: `${mode} limits are shared with other machines through Redis, and there is none`,
        expected: 'redis: redis://localhost:6379, or mode: local',
      });
    }
    if (mode === 'strict' && over !== 'reject') {
      report.mistake({
        path: at,
        message: 'who waits looks at shared memory again and again, and a strict limit is counted in Redis',
        expected: 'over: reject, or mode: synced',
      });
    }
    if (mode === 'strict' && algorithm === 'concurrency') {
      report.mistake({
        path: at,
        message:
          'requests in flight cannot be counted strictly: who would give back what a dead machine held?',
        expected: 'mode: synced',
      });
    }
  };
  const lookAll = (listed: readonly (string | LimitConfig)[] | undefined, path: Path) => {
    for (const [index, one] of (listed ?? []).entries()) {
      if (typeof one !== 'string') look(one, report.written([...path, index], path));
    }
  };
  for (const [name, limit] of Object.entries(limits)) look(limit, ['limits', name]);
  for (const [name, plan] of Object.entries(plans)) lookAll(plan.limits, ['plans', name, 'limits']);
  lookAll(defaults.limit, ['defaults', 'limit']);
  for (const { route, index } of routes) lookAll(route?.filters.limit, ['routes', index, 'limit']);
}
