/** What sockets share, and what messages of clients must be like. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { schemaFault } from '../../websocket/inbound/message-schema.js';
import type { Draft, DraftRoute } from '../draft.js';
import { valueAt } from '../mistakes.js';
import type { RouteConfig } from '../schema/route.js';
import type { Report } from './report.js';

type JsonSchema = Record<string, unknown>;

export function checkSockets({ routes }: Draft, folder: string, report: Report): void {
  checkCompression(routes, report);
  for (const item of routes) {
    const { index, route } = item;
    checkChannelSockets(item, report);
    checkConflation(item, report);
    const schema = route?.websocket?.schema;
    const path = ['routes', index, 'websocket', 'schema'];
    if (schema?.json !== undefined) checkSchema(schema.json, [...path, 'json'], report);
    if (schema?.file !== undefined) checkFile(schema.file, folder, [...path, 'file'], report);
  }
}

/** Options of sockets that pass through. */
const OF_SERVICES = ['conflate', 'messages', 'pings', 'schema', 'compression'] as const;

/** What would be accepted and ignored. */
function checkChannelSockets({ index, raw }: DraftRoute, report: Report): void {
  const written = raw.websocket;
  if (!Object.hasOwn(raw, 'channels') || typeof written !== 'object' || written === null) return;
  for (const option of OF_SERVICES) {
    if (!Object.hasOwn(written, option)) continue;
    report.mistake({
      path: ['routes', index, 'websocket', option],
      at: 'key',
      message: `${option} is for sockets to a service, and this route has channels`,
    });
  }
}

/** The messages of channels have their channel for a key. */
function checkConflation({ index, route, raw }: DraftRoute, report: Report): void {
  if (!route?.websocket) return;
  const { slow, conflate } = route.websocket;
  const path = ['routes', index, 'websocket'];
  const isWritten = Object.hasOwn(raw, 'channels') || valueAt(raw, ['websocket', 'conflate']) !== undefined;
  if (slow === 'conflate' && !isWritten) {
    report.mistake({
      path: [...path, 'slow'],
      message: 'nothing says which messages may be left out',
      expected: 'conflate: { key: /symbol } beside it',
    });
  } else if (slow !== 'conflate' && conflate !== undefined) {
    report.mistake({
      path: [...path, 'conflate'],
      message: `slow: ${slow} leaves nothing out`,
      expected: 'slow: conflate',
    });
  }
}

/** The listener has one behaviour for all sockets. */
function checkCompression(routes: readonly DraftRoute[], report: Report): void {
  const compressing = routes.flatMap(({ index, route }) => {
    const mode = route?.websocket?.compression.mode ?? 'off';
    return mode === 'off' ? [] : [{ mode, path: ['routes', index, 'websocket', 'compression'] }];
  });
  const [first] = compressing;
  for (const { mode, path } of compressing) {
    if (first === undefined || mode === first.mode) continue;
    report.mistake({
      path: report.written([...path, 'mode'], path),
      message: `the route on line ${report.lineOf(first.path)} says ${first.mode}`,
      expected: 'one mode for all routes that compress',
    });
  }
}

function checkSchema(schema: JsonSchema, path: PropertyKey[], report: Report): void {
  const fault = schemaFault(schema);
  if (fault === null) return;
  const steps = fault.path.map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  report.mistake({
    path: report.written([...path, ...steps], path),
    message: fault.message,
    expected: 'a JSON Schema',
  });
}

function checkFile(file: string, folder: string, path: PropertyKey[], report: Report): void {
  let schema: unknown;
  try {
    schema = readSchema(file, folder);
  } catch (error) {
    return report.mistake({ path, message: `${file} cannot be read: ${(error as Error).message}` });
  }
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    return report.mistake({ path, message: `${file} holds no JSON Schema`, expected: 'a JSON object' });
  const fault = schemaFault(schema as JsonSchema);
  if (fault === null) return;
  const where = fault.path.length === 0 ? '' : ` at /${fault.path.join('/')}`;
  report.mistake({ path, message: `${file}${where}: ${fault.message}`, expected: 'a JSON Schema' });
}

function readSchema(file: string, folder: string): unknown {
  return JSON.parse(readFileSync(resolve(folder, file), 'utf8'));
}

/** Schemas in files are read once, so that all workers have the same. They have been checked. */
export function withMessageSchemas(routes: RouteConfig[], folder: string): RouteConfig[] {
  return routes.map((route) => {
    const { websocket } = route;
    if (websocket?.schema?.file === undefined) return route;
    const { file, ...rest } = websocket.schema;
    const json = readSchema(file, folder) as JsonSchema;
    return { ...route, websocket: { ...websocket, schema: { ...rest, json } } };
  });
}
