/** CloudWatch Logs: FilterLogEvents. A page ends at its limit, at 1 MB, or after a bounded search, then often empty. */

import type { Fleet } from './fleet.ts';
import { LOG_SLOT, linesOf } from './log-lines.ts';
import { compilePattern, type Matcher, PatternError } from './log-pattern.ts';
import { positionOf, tokenFor } from './paging.ts';
import { ApiError, type Call } from './protocol.ts';
import { hexId } from './random.ts';
import { type WorkerLine, workerLinesOf } from './worker-lines.ts';

const MOST_EVENTS = 10_000;
const MOST_BYTES = 1_000_000;
/** Lines that one call looks at. The real bound is not published; that there is one, and that pages may be empty, is. */
const MOST_SEARCHED = 20_000;

const bad = (message: string): ApiError => new ApiError('InvalidParameterException', message);

export function filterLogEvents(fleet: Fleet, ingestionMs: number, { input }: Call, now: number): unknown {
  const { nextToken, ...request } = input;
  const group = input['logGroupName'] ?? input['logGroupIdentifier'];
  if (typeof group !== 'string') throw bad('logGroupName or logGroupIdentifier is required');
  const name = group.startsWith('arn:') ? group.split(':')[6] : group;
  const linesAt = linesIn(fleet, name ?? '');
  if (linesAt === null) throw new ApiError('ResourceNotFoundException', 'The specified log group does not exist.');
  const limit = input['limit'] ?? MOST_EVENTS;
  if (typeof limit !== 'number' || limit < 1 || limit > MOST_EVENTS)
    throw bad(`limit must be between 1 and ${MOST_EVENTS}`);
  const streams = input['logStreamNames'] as readonly string[] | undefined;
  const prefix = input['logStreamNamePrefix'] as string | undefined;
  if (streams !== undefined && prefix !== undefined)
    throw bad('logStreamNames and logStreamNamePrefix exclude each other');
  if (streams !== undefined && streams.length > 100) throw bad('logStreamNames can have at most 100 items');
  const matches = matcher(String(input['filterPattern'] ?? ''));
  const from = Math.max(typeof input['startTime'] === 'number' ? input['startTime'] : 0, fleet.startedAt);
  // endTime is inclusive.
  const to = Math.min(typeof input['endTime'] === 'number' ? input['endTime'] : now, now - ingestionMs);

  let slot = Math.floor(from / LOG_SLOT) * LOG_SLOT;
  let skip = 0;
  if (typeof nextToken === 'string') {
    const position = positionOf(request, nextToken);
    const [start, offset] = typeof position === 'string' ? position.split('/').map(Number) : [];
    if (start === undefined || offset === undefined) throw bad('The specified nextToken is invalid.');
    slot = start;
    skip = offset;
  }
  const events: unknown[] = [];
  let bytes = 0;
  let searched = 0;
  for (; slot <= to; slot += LOG_SLOT, skip = 0) {
    const lines = linesAt(slot);
    for (let index = skip; index < lines.length; index += 1) {
      const { at, stream, message } = lines[index]!;
      if (at < from || at > to) continue;
      searched += 1;
      if (streams !== undefined && !streams.includes(stream)) continue;
      if (prefix !== undefined && !stream.startsWith(prefix)) continue;
      if (!matches(message)) continue;
      if (events.length >= limit || bytes + message.length > MOST_BYTES) {
        return { events, searchedLogStreams: [], nextToken: tokenFor(request, `${slot}/${index}`) };
      }
      bytes += message.length + 26;
      const eventId = hexId(`${stream}/${at}/${index}`, 56).replace(/[a-f]/g, (letter) =>
        String(letter.charCodeAt(0) % 10),
      );
      events.push({ logStreamName: stream, timestamp: at, message, ingestionTime: at + ingestionMs, eventId });
    }
    if (searched >= MOST_SEARCHED && slot + LOG_SLOT <= to) {
      return { events, searchedLogStreams: [], nextToken: tokenFor(request, `${slot + LOG_SLOT}/0`) };
    }
  }
  return { events, searchedLogStreams: [] };
}

/** The lines of a group by slot; null for a group that is not there. */
function linesIn(fleet: Fleet, group: string): ((slot: number) => readonly WorkerLine[]) | null {
  const service = [...fleet.services.values()].find(({ facts }) => facts.logGroup === group);
  if (service !== undefined) {
    return (slot) =>
      linesOf(service, slot).map(({ at, task, message }) => ({ at, stream: `ecs/app/${task}`, message }));
  }
  const worker = [...fleet.queues.values()].find(({ facts }) => `/aws/lambda/${facts.lambda}` === group);
  return worker === undefined ? null : (slot) => workerLinesOf(worker, slot);
}

function matcher(pattern: string): Matcher {
  if (pattern.length > 1_024) throw bad('filterPattern can have at most 1024 characters');
  try {
    return compilePattern(pattern);
  } catch (error) {
    if (error instanceof PatternError) throw bad(error.message);
    throw error;
  }
}
