/**
 * The part of undici that the gateway runs: its HTTP/1.1 client and connector. The package's index would bring fetch,
 * caches, mocks and WebSocket with it: 9 MB in every process. The files have kept their names since undici 4; a test
 * holds them to the public classes.
 */
import { createRequire } from 'node:module';
import type { buildConnector as BuildConnector, Dispatcher, Client as PublicClient } from 'undici';

const require = createRequire(import.meta.url);

export const Client: typeof PublicClient = require('undici/lib/dispatcher/client.js');
export const buildConnector: typeof BuildConnector = require('undici/lib/core/connect.js');

export type Client = PublicClient;
export type ClientOptions = PublicClient.Options;
export type { Dispatcher } from 'undici';
/** The TLS name is missing in the package's types. */
export type DispatchOptions = Dispatcher.DispatchOptions & { readonly servername: string };
export type { IncomingHttpHeaders } from 'undici/types/header.js';
