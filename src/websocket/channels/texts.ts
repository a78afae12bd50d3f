/** What clients of channels are told, as JSON texts. Names and epochs are of characters that need no escape. */
import type { Message, Position } from '../../services/channels/messages.js';

export function messageText(channel: string, { data, offset }: Message, epoch: string): string {
  return `{"channel":"${channel}","data":${data},"offset":${offset},"epoch":"${epoch}"}`;
}

/** `id` is JSON text, or empty. */
export function subscribedText(
  channel: string,
  id: string,
  at: Position,
  recovered: boolean | null,
  latest: Message | null,
): string {
  const came = recovered === null ? '' : `,"recovered":${recovered}`;
  const last = recovered === false ? latestMember(latest) : '';
  return `{"op":"subscribed"${idMember(id)},"channel":"${channel}","offset":${at.offset},"epoch":"${at.epoch}"${came}${last}}`;
}

export function unsubscribedText(channel: string, id: string, reason = ''): string {
  const why = reason === '' ? '' : `,"reason":"${reason}"`;
  return `{"op":"unsubscribed"${idMember(id)},"channel":"${channel}"${why}}`;
}

export function gapText(channel: string, at: Position, latest: Message | null): string {
  return `{"op":"gap","channel":"${channel}","offset":${at.offset},"epoch":"${at.epoch}","recovered":false${latestMember(latest)}}`;
}

export function broadcastText(data: string): string {
  return `{"op":"broadcast","data":${data}}`;
}

export function errorText(id: string, code: string, message: string, channel = ''): string {
  const about = channel === '' ? '' : `,"channel":"${channel}"`;
  return `{"op":"error"${idMember(id)}${about},"code":"${code}","message":${JSON.stringify(message)}}`;
}

export function idMember(id: string): string {
  return id === '' ? '' : `,"id":${id}`;
}

function latestMember(latest: Message | null): string {
  return latest === null ? '' : `,"latest":{"data":${latest.data},"offset":${latest.offset}}`;
}
