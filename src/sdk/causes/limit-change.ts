/** Whether the server allows fewer connections than before: from changes of settings, and from the slots over time. */

import type { Change, Judged, Window } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, safeName } from '../format.ts';

export interface LimitChange {
  readonly change: Change;
  /** Null when the summary does not say from what to what. */
  readonly lowered: boolean | null;
  /** The value of max_connections before; null for other settings. */
  readonly before: number | null;
}

const SETTING =
  /\b(max_connections|superuser_reserved_connections|reserved_connections|rds_superuser_reserved_connections)\b/;
/** `max_connections 100 → 40`, as changes of settings are summed up. */
const FROM_TO = /(\d+)\s*(?:→|->|to)\s*(\d+)/;

const DAY_MS = 24 * 3_600_000;

/** Null when the change is about something else, or is still waiting for a restart to take effect. Fewer connections, or more of them reserved, is a lower limit. */
export function limitChange(change: Change): LimitChange | null {
  const setting = SETTING.exec(change.summary)?.[1];
  if (setting === undefined || /\bwaits for a restart\b/.test(change.summary)) return null;
  const values = FROM_TO.exec(change.summary.slice(change.summary.indexOf(setting) + setting.length));
  if (values === null) return { change, lowered: null, before: null };
  const before = Number(values[1]);
  const after = Number(values[2]);
  if (setting === 'max_connections') return { change, lowered: after < before, before };
  return { change, lowered: after > before, before: null };
}

/** The last change of the limit that can have come before the onset, and whether it lowered it. */
function limitChanged(changes: readonly Change[], facts: Facts) {
  const found = changes.flatMap((change) => limitChange(change) ?? []);
  return found.filter((one) => one.change.at.earliest <= facts.onset.latest).at(-1) ?? null;
}

function limitChangesProbe(id: string, judge: (changes: readonly Change[], facts: Facts) => Judged): AnyProbe {
  return probe({
    id,
    factor: 'limit',
    title: 'changes of max_connections and of reserved connections in the 24 h before',
    ask: (_symptom, facts) => ask('changes', facts, {}, aroundOnset(facts, DAY_MS)),
    judge: ({ changes }, _symptom, facts) => judge(changes, facts),
  });
}

export function limitChangeProbe(): AnyProbe {
  return limitChangesProbe('limit-change', (changes, facts) => {
    const found = limitChanged(changes, facts);
    if (found === null) {
      const late = changes.find((change) => limitChange(change) !== null);
      const observed =
        late === undefined
          ? 'the limit was not changed in the 24 h before'
          : 'the limit was changed only after the onset';
      return opposes(3, observed, { headline: 'limit not changed in 24 h' });
    }
    const when = `between ${clockTime(found.change.at.earliest)} and ${clockTime(found.change.at.latest)}`;
    const observed = `${safeName(found.change.summary, 120)} ${when}`;
    if (found.lowered === false) return opposes(3, `${observed}: not lowered`, { headline: 'limit was raised' });
    // On RDS the limit is in the parameter group, where ALTER SYSTEM is refused.
    const restorable = found.before !== null && facts.on.slots['rdsInstance'] === undefined;
    return supports(found.lowered === null ? 2 : 5, observed, {
      headline: `since ${safeName(found.change.summary, 60)}`,
      ...(restorable ? { slots: { maxConnections: found.before! } } : {}),
    });
  });
}

/** With the same limit lowered, a pool that has not grown is no leak. */
export function limitStoodProbe(): AnyProbe {
  return limitChangesProbe('limit-stood', (changes, facts) => {
    const found = limitChanged(changes, facts);
    if (found?.lowered !== true) return neutral('the limit was not lowered in the 24 h before');
    return opposes(2.5, `the limit itself was lowered: ${safeName(found.change.summary, 120)}`);
  });
}

export function limitSeriesProbe(window: (facts: Facts) => Window): AnyProbe {
  return probe({
    id: 'usable-slots',
    factor: 'limit',
    title: 'usable slots over the last hour',
    ask: (_symptom, facts) => ask('series', facts, { signal: 'connections_usable' }, window(facts)),
    judge({ points }) {
      const first = points[0];
      const last = points.at(-1);
      if (first === undefined || last === undefined) return neutral('no history of usable slots yet');
      const observed = `usable slots went from ${count(first.value)} to ${count(last.value)}`;
      if (last.value < first.value) return supports(4, observed);
      return opposes(1, observed, { headline: `${count(last.value)} usable slots as before` });
    },
  });
}
