/** Where a channel is found at the service that is its source: `/stream/${channel.name}`, `/ticks?symbol=${channel.2}`. */

const PLACEHOLDER = /\$\{([^}]*)\}/g;

/** What is wrong with it, or null. */
export function sourceTargetFault(text: string): string | null {
  for (const [, variable] of text.matchAll(PLACEHOLDER)) {
    if (variable !== 'channel.name' && !/^channel\.[1-9]\d?$/.test(variable as string))
      return `no variable is called "${variable}": there are channel.name, channel.1, channel.2 …`;
  }
  return null;
}

/** A segment that the name does not have is empty. */
export function sourceTarget(text: string, channel: string): string {
  const segments = channel.split('.');
  return text.replace(PLACEHOLDER, (_, variable: string) => {
    const part = variable.slice('channel.'.length);
    return encodeURIComponent(part === 'name' ? channel : (segments[Number(part) - 1] ?? ''));
  });
}
