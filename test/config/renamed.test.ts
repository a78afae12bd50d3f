import { describe, expect, it } from 'vitest';
import { newName } from '../../src/config/renamed.ts';

describe('an option that was renamed', () => {
  const renamed = { 'services.*.keepalive': 'services.*.connections.keepAlive', port: 'listen.port' };

  it('is found under the names and indexes of the user', () => {
    expect(newName(['services', 'quotes', 'keepalive'], renamed)).toBe(
      'services.quotes.connections.keepAlive',
    );
    expect(newName(['port'], renamed)).toBe('listen.port');
  });

  it('is none that never existed', () => {
    expect(newName(['services', 'quotes', 'keepalives'], renamed)).toBeUndefined();
    expect(newName(['services', 'keepalive'], renamed)).toBeUndefined();
  });
});
