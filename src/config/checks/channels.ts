import { paramNames } from '../../route/pattern.js';
import { compileExpression } from '../../services/authz/expression/compile.js';
import { permissionFault } from '../../services/authz/roles.js';
import { channelPatternFault } from '../../services/channels/names.js';
import { sourceTargetFault } from '../../services/channels/source-target.js';
import { didYouMean } from '../did-you-mean.js';
import type { Draft, DraftRoute } from '../draft.js';
import type { Path } from '../mistakes.js';
import type { ChannelsConfig } from '../schema/channels.js';
import type { Report } from './report.js';

/** Options of sockets that are about a service. */
const OF_SERVICES = ['slow', 'slowFor', 'buffer'] as const;

/** What routes with channels say. */
export function checkChannels({ routes, services, settings }: Draft, report: Report): void {
  for (const item of routes) {
    const { index, route } = item;
    if (route === undefined || route.channels === null) continue;
    const path = ['routes', index, 'channels'];
    const guarded = Boolean({ ...settings.defaults, ...route.filters }.auth);
    checkWaysIn(item, path, report);
    checkUpstream(route.channels.upstream, services, path, report);
    for (const [at, rule] of route.channels.allow.entries()) {
      checkRule(rule, [...path, 'allow', at], paramNames(route.match.path), guarded, report);
    }
  }
}

function checkUpstream(
  upstream: ChannelsConfig['upstream'],
  services: Draft['services'],
  path: Path,
  report: Report,
): void {
  if (upstream === undefined) return;
  const fault = sourceTargetFault(upstream.path);
  if (fault !== null) {
    const expected = 'a path such as /stream/${channel.name}';
    report.mistake({ path: [...path, 'upstream', 'path'], message: fault, expected });
  }
  if (services.has(upstream.service)) return;
  report.mistake({
    path: [...path, 'upstream', 'service'],
    message: `there is no service "${upstream.service}"`,
    suggestion: didYouMean(upstream.service, [...services.keys()]),
  });
}

function checkWaysIn({ index, route, raw }: DraftRoute, path: Path, report: Report): void {
  if (!route?.websocket && !route?.channels?.events) {
    report.mistake({
      path,
      at: 'key',
      message: 'nobody can come in: there are neither WebSockets nor events',
      expected: '"websocket: true" beside it, or events',
    });
  }
  const written = raw.websocket;
  if (typeof written !== 'object' || written === null) return;
  for (const option of OF_SERVICES) {
    if (!Object.hasOwn(written, option)) continue;
    report.mistake({
      path: ['routes', index, 'websocket', option],
      at: 'key',
      message: `${option} is about a service, and this route has channels`,
      expected: `channels.${option}`,
    });
  }
  if (!Object.hasOwn(written, 'refresh')) return;
  report.mistake({
    path: ['routes', index, 'websocket', 'refresh'],
    at: 'key',
    message: 'clients of channels can always show new credentials',
    expected: 'nothing: the operation "auth" is there',
  });
}

function checkRule(
  { match, roles, scopes, permissions, when }: ChannelsConfig['allow'][number],
  path: Path,
  params: readonly string[],
  guarded: boolean,
  report: Report,
): void {
  const at = report.written([...path, 'match'], path);
  const fault = channelPatternFault(match, params);
  if (fault !== null) report.mistake({ path: at, message: fault, expected: 'a pattern such as ticks.*' });
  for (const [i, permission] of permissions.entries()) {
    const wrong = permissionFault(permission);
    if (wrong !== null) report.mistake({ path: [...path, 'permissions', i], message: wrong });
  }
  checkCondition(when, [...path, 'when'], params, report);
  const demands = roles.length + scopes.length + permissions.length > 0 || when !== undefined;
  if (guarded || !(demands || /\$\{(?:auth|claim)\./.test(match))) return;
  report.mistake({
    path: at,
    message: 'the rule is about who is calling, and nobody is asked on this route',
    expected: '"auth" beside channels',
  });
}

function checkCondition(
  when: string | undefined,
  path: Path,
  params: readonly string[],
  report: Report,
): void {
  if (when === undefined) return;
  const compiled = compileExpression(when, { paramNames: params, suggest: didYouMean });
  if (!('message' in compiled)) return;
  const { message, at, suggestion } = compiled;
  report.mistake({
    path,
    message: `${message} (at character ${at + 1} of the condition)`,
    suggestion,
  });
}
