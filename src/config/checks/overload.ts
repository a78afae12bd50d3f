import type { Draft } from '../draft.js';
import type { Path } from '../mistakes.js';
import type { Report } from './report.js';

/** Priorities that nobody asks for. */
export function checkOverload({ raw, settings, routes }: Draft, report: Report): void {
  if (Object.hasOwn(raw, 'overload')) return;
  const look = (priority: unknown, path: Path) => {
    if (priority === undefined || priority === 'normal') return;
    report.warning({
      path,
      at: 'key',
      message: 'priority changes nothing without ceilings',
      expected: 'an "overload" section',
    });
  };
  look(settings.defaults.priority, ['defaults', 'priority']);
  for (const { index, route } of routes) look(route?.filters.priority, ['routes', index, 'priority']);
}
