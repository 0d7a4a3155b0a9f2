/** The search engine itself does not serve: it cannot be reached, is not ready, or has no disk or memory left. */

import type { Judged, SearchEngineAnswer } from '../../model/index.ts';
import type { AnyProbe, Hypothesis } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, safeName } from '../format.ts';
import { downSince, engineProbe, fallbackProbe } from './search-probes.ts';
import { overLevel } from './service-series.ts';

export type EngineDownVariant = 'unreachable' | 'not-ready' | 'out-of-disk' | 'out-of-memory';

const TITLES: Readonly<Record<EngineDownVariant, string>> = {
  unreachable: 'it does not answer',
  'not-ready': 'it answers that it is not ready: it starts, or lags behind',
  'out-of-disk': 'it has no disk left and refuses writes',
  'out-of-memory': 'it has no memory left and refuses writes',
};

const PRIORS: Readonly<Record<EngineDownVariant, number>> = {
  unreachable: 0.1,
  'not-ready': 0.06,
  'out-of-disk': 0.06,
  'out-of-memory': 0.06,
};

/**
 * `search`: once for each engine that the target depends on, where others wait for it; `dependent`: for each that depends
 * on the target, where that feeds it.
 */
export function searchEngineDownHypotheses(on: 'self' | 'search' | 'dependent' = 'self'): readonly Hypothesis[] {
  return (['unreachable', 'not-ready', 'out-of-disk', 'out-of-memory'] as const).map((variant) => ({
    cause: 'search-engine-down',
    variant,
    title: `Search engine down: ${TITLES[variant]}`,
    prior: PRIORS[variant],
    on,
    ...(on === 'dependent' ? { dependentKind: 'search' as const } : {}),
    requires: ['engine'],
    probes: [
      engineProbe(
        { id: 'engine', factor: 'engine', title: 'what the search engine says of itself' },
        (engine, _facts, wasDown) => judgeEngine(engine, variant, wasDown),
      ),
      ...(variant === 'unreachable' ? [silentProbe()] : []),
      fallbackProbe(),
    ],
    mitigations:
      variant === 'unreachable' || variant === 'not-ready'
        ? ['engine-health', 'fallback', 'engine-resources']
        : ['engine-resources', 'fallback', 'engine-health'],
    // An engine without memory, or one that starts, is slow as well.
    seenBy: ['search-latency'],
  }));
}

/** Why it takes no writes; null where it does. For causes that a full or silent engine explains. */
export function refusesWrites(engine: SearchEngineAnswer): string | null {
  const variant = variantOf(engine);
  return variant === null ? null : `${safeName(engine.host, 80)} takes no writes: ${TITLES[variant]}`;
}

/** Which of them it is; null where it is well. */
function variantOf({ healthy, problem }: SearchEngineAnswer): EngineDownVariant | null {
  if (problem === 'OUT_OF_DISK') return 'out-of-disk';
  if (problem === 'OUT_OF_MEMORY') return 'out-of-memory';
  if (healthy === null) return 'unreachable';
  return healthy ? null : 'not-ready';
}

const WORDS: Readonly<Record<string, string>> = {
  refused: 'refuses connections',
  timeout: 'does not answer in time',
  reset: 'closes connections before it answers',
  dns: 'has a name that cannot be resolved',
  tls: 'fails in TLS',
};

function judgeEngine(engine: SearchEngineAnswer, variant: EngineDownVariant, wasDown: string | null): Judged {
  const host = safeName(engine.host, 80);
  const found = variantOf(engine);
  const full = [
    engine.diskRatio === null ? null : `disk ${percent(engine.diskRatio)}`,
    engine.memoryRatio === null ? null : `memory ${percent(engine.memoryRatio)}`,
  ].filter((one) => one !== null);
  const figures = full.length === 0 ? '' : ` (${full.join(', ')})`;
  // What began while it was down does not end the moment that it is up.
  if (found === null && wasDown !== null) return neutral(`${host} is well again; ${wasDown}`);
  if (found === null) return opposes(5, `${host} says that it is well${figures}`, { headline: `${host} is well` });
  const problem = engine.problem ?? '';
  const said =
    found === 'unreachable'
      ? (WORDS[problem] ?? `answers ${safeName(problem, 40)}`)
      : `says ${problem === '' ? 'that it is not ok' : safeName(problem, 40)}`;
  const observed = `${host} ${said}${figures}`;
  if (found !== variant) return opposes(4, observed, { headline: `${host} ${said}` });
  // Out of disk or memory it may still search: then only what should have been written is missing.
  return supports(engine.healthy === true ? 5 : 6, observed, { headline: `${host} ${said}` });
}

/** Where the engine could not be asked just now, or is up again. */
function silentProbe(): AnyProbe {
  return overLevel(
    {
      id: 'engine-up',
      factor: 'engine',
      title: 'whether the engine answered in the polls',
      signal: 'search_up',
      of: 'cause',
    },
    (level, _symptom, facts) => {
      const was = downSince(level.points, facts);
      return was === null ? neutral('the engine has answered the polls') : supports(2.5, was);
    },
  );
}
