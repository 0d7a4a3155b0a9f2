/**
 * The way of a data point from poll to page: poll → baselines → evaluate → lifecycle → walk → correlate → notify →
 * one transaction. It holds the state between polls (findings, incidents, blindness); everything that decides is a pure
 * function elsewhere. Work on one target is serial; a slow walk of one target delays no other.
 */

import type { Logger } from 'pino';
import type { Baselines } from './baseline/baselines.ts';
import { evaluate } from './detect/evaluate.ts';
import type { StepInput } from './detect/lifecycle.ts';
import { step } from './detect/lifecycle.ts';
import type { Values } from './detect/options.ts';
import { lifecycleOf } from './detect/options.ts';
import type { RenderOptions } from './diagnose/render.ts';
import { answerWithin, walk } from './diagnose/walk.ts';
import { correlate } from './incident/correlate.ts';
import { judged, watched } from './incident/effects.ts';
import { notificationsFor } from './incident/notifications.ts';
import { recordOf, shouldNotify } from './incident/should-notify.ts';
import type {
  Answer,
  Blindness,
  Change,
  Diagnosis,
  EffectReport,
  EpochMs,
  Finding,
  Incident,
  Notification,
  PollResult,
  Question,
  Series,
  Source,
  SourceFailureAnswer,
  Store,
  Target,
  UnknownBecause,
} from './model/index.ts';
import { clockTime, duration, messageOf, RunbookdError } from './model/index.ts';
import { buildPage } from './notify/page.ts';
import type { AnyDetector, Facts } from './sdk/detector.ts';
import { sectionOf } from './targets.ts';

export interface PipelineOptions {
  /** In pages and dedup keys. */
  readonly installation: string;
  readonly sources: readonly Source[];
  readonly targets: readonly Target[];
  readonly detectors: readonly AnyDetector[];
  /** The option values of a detector, every option present. */
  readonly values: (detector: string) => Values;
  readonly baselines: Baselines;
  readonly store: Store;
  /** Why a poll failed and what would help, where the source's errors say more than their code. */
  readonly failureOf?: (error: unknown) => { readonly because: UnknownBecause; readonly grant: string | null };
  /** What a poll group reads: hidden while it fails. */
  readonly signalsOf?: (group: string) => ReadonlySet<string>;
  /** Signals that nobody gives unless the configuration binds them. */
  readonly signalsByHand?: ReadonlySet<string>;
  /** Names of the channels that pages go to. */
  readonly channels: readonly string[];
  readonly render: RenderOptions;
  readonly contactOf: (target: Target, detector: string) => string | null;
  readonly incidentUrl: (incident: string) => string | null;
  readonly newId: () => string;
  readonly now: () => EpochMs;
  readonly log: Logger;
  /** Aborted when the process stops: ends walks in progress. */
  readonly stopping: AbortSignal;
  readonly walkMs?: number;
  readonly questionMs?: number;
  /** After each cycle, when its transaction is on disk. */
  readonly onCycle?: (cycle: Cycle) => void;
  readonly onDetectorError?: (detector: string, error: unknown) => void;
}

export interface Cycle {
  readonly at: EpochMs;
  readonly source: string;
  readonly notified: readonly Notification[];
}

export interface Pipeline {
  /** Takes up the findings and incidents that the store holds. */
  load(): Promise<void>;
  /** One poll group of one source, through to the transaction. Rejects when the poll itself failed. */
  poll(source: Source, group: string, signal: AbortSignal): Promise<void>;
  /**
   * Learns what a source's backend still holds since `from`, for baselines of the first day. Resolves with the number of
   * samples; what was learned before a failure stays.
   */
  backfill(source: Source, from: EpochMs, signal: AbortSignal): Promise<number>;
  /** Takes a change that somebody told us of. */
  acceptChange(change: Change): Promise<'new' | 'known'>;
  /** Answers any question: changes and series from here, the rest from the sources. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
  findings(): readonly Finding[];
  incidents(): readonly Incident[];
  blindness(): readonly Blindness[];
  /** Polls that went through since the start. */
  cycles(): number;
}

/** Pace of the slowest polls whose failures are counted. */
const FAILED_POLLS_MS = 60_000;
const WALK_MS = 10_000;
const QUESTION_MS = 5_000;
const RECENT_MS = 2 * 3_600_000;

export function createPipeline(options: PipelineOptions): Pipeline {
  const { log, store, baselines } = options;
  /** Pending and firing findings by identity. */
  const active = new Map<string, Finding>();
  /** The last ended life by identity, for flapping. */
  const ended = new Map<string, Finding>();
  /** Resolved findings that open incidents still count. */
  const resolved = new Map<string, Finding>();
  const incidents = new Map<string, Incident>();
  const blind = new Map<string, readonly Blindness[]>();
  /** What the last look at the effects of an open incident's mitigations saw. */
  const looked = new Map<string, readonly EffectReport[]>();
  const failed = new Set<string>();
  /** Poll groups that fail, by source and group. */
  const failing = new Map<string, Omit<SourceFailureAnswer['failures'][number], 'group'>>();
  /** Targets of which a source has given series. */
  const fedBy = new Map<string, Set<string>>();
  const serial = new Map<string, Promise<void>>();
  const persisted = new Map<string, Finding>();
  let cycles = 0;

  const identity = (detector: string, target: string, subject: string): string =>
    JSON.stringify([detector, target, subject]);
  const targetOf = (name: string): Target | undefined => options.targets.find((target) => target.name === name);

  /** Runs after whatever was queued under the key before, failed or not. */
  function inOrder<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = serial.get(key) ?? Promise.resolve();
    const result = before.then(run);
    serial.set(
      key,
      result.then(
        () => undefined,
        () => undefined,
      ),
    );
    return result;
  }

  async function ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const now = options.now();
    if (question.kind === 'changes') {
      const target = targetOf(question.target);
      const replicas = options.targets.filter((one) => one.replicaOf === question.target).map((one) => one.name);
      // Who uses it can break it: a deployment of the service whose statements are slow now.
      const users = options.targets.filter((one) => one.dependsOn.includes(question.target)).map((one) => one.name);
      const targets = [...new Set([question.target, ...(target?.dependsOn ?? []), ...replicas, ...users])];
      const changes = await store.changes({ targets, ...question.window });
      return { state: 'answered', kind: 'changes', value: { changes }, at: now, source: 'runbookd: changes seen' };
    }
    if (question.kind === 'source.failure') {
      const failures = [...failing].flatMap(([key, one]) => {
        const [name, group = ''] = key.split('/');
        return name === question.target ? [{ group, ...one }] : [];
      });
      const targets = [...(fedBy.get(question.target) ?? [])].sort();
      const value = { at: now, source: question.target, targets, failures };
      return { state: 'answered', kind: 'source.failure', value, at: now, source: 'runbookd: its own polls' };
    }
    if (question.kind === 'series') return seriesAnswer(question as Question<'series'>, now);
    const source = options.sources.find((one) => one.answers(question));
    if (source === undefined) {
      const key = configurationOf(question);
      const detail = 'not configured';
      const grant = key === null ? {} : { grant: key };
      return { state: 'unknown', kind: question.kind, because: 'not_configured', detail, ...grant } as Answer;
    }
    return source.answer(question, now, signal);
  }

  function seriesAnswer(question: Question<'series'>, now: EpochMs): Answer<'series'> {
    const wanted = Object.entries(question.params.labels ?? {});
    const readings = baselines
      .readings(question.target, question.params.signal, now)
      .filter((reading) => wanted.every(([name, value]) => reading.labels[name] === value));
    const { signal } = question.params;
    const points = readings.flatMap((reading) =>
      reading.samples
        .filter((sample) => sample.at >= question.window.from && sample.at <= question.window.to)
        .map(({ at, value, band }) => ({
          labels: reading.labels,
          at,
          value,
          expected: band.ready ? band.expected : null,
          lower: band.ready ? band.lower : null,
          upper: band.ready ? band.upper : null,
        })),
    );
    const unseen = [...blind.values()]
      .flat()
      .filter((one) => one.target === question.target && one.signals?.includes(signal) === true)
      .map(({ because, detail, grant }) => ({ because, detail, grant }));
    const unknown = { state: 'unknown', kind: 'series' } as const;
    if (unseen[0] !== undefined && points.length === 0) {
      const { because, detail, grant } = unseen[0];
      return { ...unknown, because, detail, ...(grant === null ? {} : { grant }) };
    }
    const first = readings[0];
    if (first === undefined) {
      const byHand = options.signalsByHand?.has(signal) === true;
      if (byHand) {
        const kind = targetOf(question.target)?.kind ?? 'service';
        const grant = `${sectionOf(kind)}.${question.target}.signals.${signal}`;
        return { ...unknown, because: 'not_configured', detail: 'not configured', grant };
      }
      return { ...unknown, because: 'no_data', detail: `${question.target} has no signal ${signal}` };
    }
    return {
      state: 'answered',
      kind: 'series',
      value: { unit: first.unit, points },
      at: now,
      source: `${question.target}: ${signal}`,
      ...(unseen.length === 0 ? {} : { unseen }),
    };
  }

  async function poll(source: Source, group: string, signal: AbortSignal): Promise<void> {
    let result: PollResult;
    try {
      result = await source.poll(group, options.now(), signal);
    } catch (error) {
      // A poll that we stopped ourselves says nothing about the source.
      if (!signal.aborted || becauseOf(error) === 'timeout') await failedPoll(source, group, error);
      throw error;
    }
    const now = options.now();
    const key = `${source.name}/${group}`;
    blind.set(key, result.blind);
    failing.delete(key);
    const fed = fedBy.get(source.name) ?? new Set();
    for (const series of result.series) fed.add(series.target);
    fedBy.set(source.name, fed);
    baselines.observe([...result.series, ...failedPolls(source, group, now)], now);
    baselines.learn(now);
    if (result.changes.length > 0) await inOrder('commit', () => commitChanges(result.changes, now));
    await evaluateTargets(source, new Set(result.series.map((series) => series.target)));
    cycles++;
    options.onCycle?.({ at: now, source: source.name, notified: [] });
  }

  /** Nothing was read at all: seen in the metric, by `check`, by who judges sources, and by the findings that go blind. */
  async function failedPoll(source: Source, group: string, error: unknown): Promise<void> {
    const now = options.now();
    const key = `${source.name}/${group}`;
    const before = failing.get(key);
    const { because, grant } = options.failureOf?.(error) ?? { because: becauseOf(error), grant: null };
    const code = error instanceof RunbookdError ? error.code : 'UNKNOWN';
    const detail = messageOf(error);
    failing.set(key, {
      polls: (before?.polls ?? 0) + 1,
      since: before?.since ?? now,
      ...{ code, because, detail, grant },
    });
    const targets = [...new Set([...(source.targets ?? []), ...(fedBy.get(source.name) ?? [])])];
    const signals = [...(options.signalsOf?.(group.split(':')[0] ?? group) ?? [])];
    blind.set(
      key,
      (targets.length === 0 ? [source.name] : targets).map((target) => ({
        target,
        check: group,
        because,
        detail,
        grant,
        ...(signals.length === 0 ? {} : { signals }),
      })),
    );
    baselines.observe(failedPolls(source, group, now), now);
    await evaluateTargets(source, new Set());
  }

  /** How many polls in a row have failed, for targets of kind `source`. */
  function failedPolls(source: Source, group: string, now: EpochMs): readonly Series[] {
    if (targetOf(source.name)?.kind !== 'source') return [];
    return [
      {
        target: source.name,
        signal: 'failed_polls',
        labels: { group },
        unit: 'count',
        periodMs: FAILED_POLLS_MS,
        times: Float64Array.of(now),
        values: Float64Array.of(failing.get(`${source.name}/${group}`)?.polls ?? 0),
      },
    ];
  }

  /** The targets that have new data, and those with findings that wait for data of this source: they may have gone blind. */
  async function evaluateTargets(source: Source, touched: ReadonlySet<string>): Promise<void> {
    const fed = fedBy.get(source.name) ?? new Set();
    const waiting = [...active.values()].map((one) => one.target).filter((name) => fed.has(name));
    const own = targetOf(source.name) === undefined ? [] : [source.name];
    const names = new Set([...touched, ...waiting, ...own]);
    // Walks have deadlines of their own: what is left of this poll's would fail just those that a slow database needs.
    await Promise.all([...names].map((name) => inOrder(name, () => evaluateTarget(name, options.stopping))));
  }

  async function backfill(source: Source, from: EpochMs, signal: AbortSignal): Promise<number> {
    let samples = 0;
    for await (const portion of source.history?.(from, options.now(), signal) ?? []) {
      baselines.backfill(portion, options.now());
      samples += portion.reduce((sum, series) => sum + series.times.length, 0);
    }
    return samples;
  }

  /** Those that are new, told once; a source may see the same change again after a restart. */
  async function commitChanges(changes: readonly Change[], now: EpochMs): Promise<readonly Change[]> {
    const notifications = changes.flatMap((change) => {
      if (change.routine === true) return [];
      const notification = changeNotification(change, now);
      return options.channels.map((channel) => ({ channel, notification }));
    });
    const { newChanges } = await store.commit({ findings: [], incidents: [], notifications, changes });
    for (const change of newChanges)
      log.info({ target: change.target, kind: change.kind, summary: change.summary }, 'change');
    return newChanges;
  }

  function changeNotification(change: Change, now: EpochMs): Notification {
    return {
      id: `change:${change.id}`,
      kind: 'change',
      key: `change:${change.id}`,
      incident: null,
      at: change.at.latest,
      severity: 'info',
      summary: `${change.target}: ${change.summary}`,
      target: change.target,
      detector: null,
      cause: null,
      reason: 'change',
      sections: [
        { heading: 'WHAT', lines: [change.summary, `seen ${clockTime(now)} UTC by ${change.source}`], value: 1 },
      ],
      links: [],
    };
  }

  /** All detectors of one target on what is known now; walks what fired; commits. */
  async function evaluateTarget(name: string, signal: AbortSignal): Promise<void> {
    const target = targetOf(name);
    if (target === undefined) return;
    const now = options.now();
    const changed = new Map<string, Finding>();
    const toWalk: Finding[] = [];
    for (const detector of options.detectors) {
      if (detector.target !== target.kind) continue;
      for (const stepped of stepDetector(detector, target, now)) {
        changed.set(stepped.id, stepped);
        if (needsWalk(stepped, now)) toWalk.push(stepped);
      }
    }
    freezeOrThaw(name);
    await Promise.all([
      ...toWalk.map(async (finding) => {
        const walked = await diagnosed(finding, target, signal);
        changed.set(walked.id, walked);
        if (active.has(identityOf(walked))) active.set(identityOf(walked), walked);
      }),
      // Before the commit, which is one at a time for all targets: a look that hangs delays no other's page.
      ...[...incidents.values()]
        .filter((incident) => incident.lead.target === name)
        .map(async (incident) => {
          looked.set(incident.id, await lookAtEffects(incident, signal));
        }),
    ]);
    await inOrder('commit', () => commit([...changed.values()]));
  }

  const identityOf = (finding: Finding): string => identity(finding.detector, finding.target, finding.subject);

  /** The findings that changed. A detector that throws costs its own findings this time, loudly, and nothing else. */
  function stepDetector(detector: AnyDetector, target: Target, now: EpochMs): readonly Finding[] {
    const values = options.values(detector.id);
    const mine = [...active.values()].filter((one) => one.detector === detector.id && one.target === target.name);
    let evaluated: ReturnType<typeof evaluate>;
    try {
      evaluated = evaluate({
        detector,
        target,
        options: values,
        now,
        readings: (name) => baselines.readings(target.name, name, now),
        expected: (name, labels, at) => baselines.expected(target.name, name, labels, at),
        active: (subject) => active.has(identity(detector.id, target.name, subject)),
      });
      failed.delete(detector.id + target.name);
    } catch (error) {
      reportDetector(detector.id, target.name, error);
      evaluated = { state: 'no_data', signals: [] };
    }
    const symptoms = evaluated.state === 'judged' ? evaluated.symptoms : [];
    const subjects = new Set([
      ...mine.map((finding) => finding.subject),
      ...symptoms.map((symptom) => symptom.subject),
    ]);
    return [...subjects].flatMap((subject) => {
      const key = identity(detector.id, target.name, subject);
      const symptom = symptoms.find((one) => one.subject === subject);
      const unseen = evaluated.state !== 'judged' || (symptom === undefined && evaluated.unjudged.includes(subject));
      const seen: StepInput['seen'] = symptom !== undefined ? { symptom } : unseen ? 'unseen' : 'clean';
      const at = evaluated.state === 'judged' ? evaluated.at : now;
      return stepOne(key, { seen, at, now, options: lifecycleOf(values) });
    });
  }

  function stepOne(key: string, input: Pick<StepInput, 'seen' | 'at' | 'now' | 'options'>): readonly Finding[] {
    const before = active.get(key) ?? null;
    const last = ended.get(key);
    const previous = last !== undefined && input.now - (last.resolvedAt ?? 0) < RECENT_MS ? last : null;
    const { finding, event } = step({ ...input, finding: before, previous, newId: options.newId });
    if (event !== null && event !== 'pending' && event !== 'dropped') {
      const about = finding ?? before;
      log.info({ detector: about?.detector, target: about?.target, subject: about?.subject, event }, 'finding');
    }
    if (finding === null) active.delete(key);
    else if (finding.state === 'resolved') {
      active.delete(key);
      ended.set(key, finding);
      resolved.set(finding.id, finding);
    } else active.set(key, finding);
    // A pending finding is kept in memory only: after a restart the same data makes it again.
    return finding === null || finding === before || finding.state === 'pending' ? [] : [finding];
  }

  function needsWalk(finding: Finding, now: EpochMs): boolean {
    if (finding.state !== 'firing' || finding.noData || finding.cleanPolls > 0) return false;
    const rewalkMs = Number(options.values(finding.detector).rewalkSeconds) * 1000;
    return finding.diagnosedAt === null || now - finding.diagnosedAt >= rewalkMs;
  }

  /** A walk that breaks costs the diagnosis, never the page: it is sent without. */
  async function diagnosed(finding: Finding, target: Target, signal: AbortSignal): Promise<Finding> {
    try {
      return await diagnose(finding, target, signal);
    } catch (error) {
      reportDetector(finding.detector, finding.target, error);
      return { ...finding, diagnosedAt: options.now() };
    }
  }

  /** Loudly once, until the detector works on that target again. */
  function reportDetector(detector: string, target: string, error: unknown): void {
    options.onDetectorError?.(detector, error);
    if (failed.has(detector + target)) return;
    failed.add(detector + target);
    const wrapped = new RunbookdError('DETECTOR_FAILED', [detector, target, messageOf(error)], error);
    log.error({ err: wrapped }, 'detector failed');
  }

  async function diagnose(finding: Finding, target: Target, signal: AbortSignal): Promise<Finding> {
    const detector = options.detectors.find((one) => one.id === finding.detector);
    if (detector === undefined) return finding;
    const now = options.now();
    const { diagnosis } = await walk(
      {
        detector,
        options: options.values(detector.id),
        symptom: finding.symptom,
        target,
        targets: options.targets,
        now,
      },
      { ask },
      {
        walkMs: options.walkMs ?? WALK_MS,
        questionMs: options.questionMs ?? QUESTION_MS,
        signal,
        render: options.render,
      },
    );
    // A later walk that could not see does not take back what an earlier one saw.
    const blind = diagnosis.verdict !== 'cause' && diagnosis.gaps.length > 0;
    const worse = blind && finding.diagnosis?.verdict === 'cause';
    return { ...finding, diagnosis: worse ? finding.diagnosis : diagnosis, diagnosedAt: now };
  }

  /** An incident never becomes the baseline: nothing is learned of a target from the onset of its findings on. */
  function freezeOrThaw(target: string): void {
    const mine = [...active.values()].filter((one) => one.target === target);
    const rules = mine.filter((one) => one.symptom.severity !== 'info' && !(one.state === 'pending' && one.noData));
    const onsets = rules.map((one) => one.symptom.onset.earliest);
    if (onsets.length > 0) baselines.freeze(target, Math.min(...onsets));
    else baselines.thaw(target, false);
  }

  async function commit(changed: readonly Finding[]): Promise<void> {
    const now = options.now();
    // A finding whose walk is still under way, on whatever target, is told of when its diagnosis is there.
    const walked = [...active.values()].filter((one) => one.state === 'firing' && one.diagnosedAt !== null);
    const findings = [...walked, ...resolved.values()];
    const correlated = correlate({
      findings,
      incidents: [...incidents.values()],
      targets: options.targets,
      now,
      newId: options.newId,
    });
    const notifications: { channel: string; notification: Notification }[] = [];
    const next: Incident[] = [];
    for (const one of correlated) {
      const incident = one.state === 'open' ? { ...one, effects: looked.get(one.id) ?? one.effects } : one;
      const told = tell(incident, now);
      next.push(told.incident);
      for (const notification of told.notifications) {
        for (const channel of options.channels) notifications.push({ channel, notification });
      }
    }
    const changedIncidents = next.filter((incident) => !sameIncident(incidents.get(incident.id), incident));
    // All that the incidents above are made of, not only what this target changed: another target's finding may have
    // ended while its own commit still waits for a walk, or a commit may have failed.
    const changedFindings = [
      ...new Map([...changed, ...findings].map((finding) => [finding.id, finding] as const)).values(),
    ].filter((finding) => persisted.get(finding.id) !== finding);
    if (changedFindings.length > 0 || changedIncidents.length > 0 || notifications.length > 0) {
      await store.commit({ findings: changedFindings, incidents: changedIncidents, notifications, changes: [] });
    }
    // Only now, when it is on disk, it counts as said.
    for (const finding of changedFindings) persisted.set(finding.id, finding);
    for (const incident of next) {
      if (incident.state === 'open') incidents.set(incident.id, incident);
      else {
        incidents.delete(incident.id);
        looked.delete(incident.id);
      }
    }
    const counted = new Set([...incidents.values()].flatMap((incident) => incident.findings));
    for (const id of resolved.keys()) {
      if (counted.has(id)) continue;
      resolved.delete(id);
      persisted.delete(id);
    }
    for (const [key, one] of ended) if (now - (one.resolvedAt ?? 0) >= RECENT_MS) ended.delete(key);
    const alive = new Set([...active.values(), ...resolved.values()].map((one) => one.id));
    for (const id of persisted.keys()) if (!alive.has(id)) persisted.delete(id);
    if (notifications.length > 0) {
      const notified = notifications.map((one) => one.notification);
      for (const one of notified)
        log.info({ kind: one.kind, incident: one.incident, reason: one.reason, summary: one.summary }, 'notification');
      options.onCycle?.({ at: now, source: 'pipeline', notified });
    }
  }

  function tell(incident: Incident, now: EpochMs): { incident: Incident; notifications: readonly Notification[] } {
    const notify = shouldNotify(incident, now);
    if (notify === null) return { incident, notifications: [] };
    const target = targetOf(incident.lead.target);
    const page = buildPage(incident, {
      now,
      contact: target === undefined ? null : options.contactOf(target, incident.lead.detector),
      url: options.incidentUrl(incident.id),
      news: newsOf(incident, notify.reason, now),
    });
    const paged: Incident =
      notify.kind === 'trigger'
        ? { ...incident, pagedSeverities: [...incident.pagedSeverities, incident.severity] }
        : incident;
    const url = options.incidentUrl(incident.id);
    const notifications = notificationsFor(options.installation, paged, notify, page, now, url);
    return { incident: { ...paged, log: [...paged.log, recordOf(paged, notify, now)] }, notifications };
  }

  async function lookAtEffects(incident: Incident, signal: AbortSignal): Promise<readonly EffectReport[]> {
    const { lead } = incident;
    const detector = options.detectors.find((one) => one.id === lead.detector);
    const target = targetOf(lead.target);
    const cause = lead.diagnosis?.verdict === 'cause' ? lead.diagnosis.causes[0] : undefined;
    if (detector === undefined || target === undefined) return incident.effects;
    const shown = (cause?.mitigations ?? []).flatMap((one) =>
      'slots' in one && detector.mitigations[one.id]?.effect !== undefined
        ? [{ mitigation: one.id, on: cause?.on ?? lead.target, slots: one.slots }]
        : [],
    );
    const now = options.now();
    const reports = watched(incident, shown, now);
    return Promise.all(
      reports.map(async (report) => {
        const effect = options.detectors.find((one) => one.id === report.detector)?.mitigations[report.mitigation]
          ?.effect;
        if (effect === undefined || report.state === 'worked') return report;
        const on = targetOf(report.on) ?? target;
        const facts: Facts = { now, target, on, onset: lead.symptom.onset, options: options.values(report.detector) };
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.questionMs ?? QUESTION_MS)]);
        try {
          const answer = await answerWithin({ ask }, effect.ask(report.slots, facts), deadline);
          if (answer.state !== 'answered') return report;
          return judged(report, effect.judge(answer.value, report.slots, facts), effect.withinMs, now);
        } catch (error) {
          log.warn({ mitigation: report.mitigation, error: messageOf(error) }, 'effect could not be looked at');
          return report;
        }
      }),
    );
  }

  return {
    async load() {
      const saved = await store.load();
      const orphans: Finding[] = [];
      for (const finding of saved.findings) {
        const known =
          targetOf(finding.target) !== undefined && options.detectors.some((one) => one.id === finding.detector);
        if (known) {
          active.set(identityOf(finding), finding);
          persisted.set(finding.id, finding);
        } else {
          // Nobody watches it any more: an open page for it would never end by itself.
          log.warn(
            { detector: finding.detector, target: finding.target },
            'finding is not watched any more, resolving it',
          );
          const ended: Finding = { ...finding, state: 'resolved', noData: true, resolvedAt: options.now() };
          resolved.set(finding.id, ended);
          orphans.push(ended);
        }
      }
      for (const incident of saved.incidents) incidents.set(incident.id, incident);
      const recent = await store.findings({ state: 'resolved', limit: 1000 });
      for (const finding of [...recent].reverse()) ended.set(identityOf(finding), finding);
      const members = new Set(saved.incidents.flatMap((incident) => incident.findings));
      for (const finding of recent) {
        if (!members.has(finding.id)) continue;
        resolved.set(finding.id, finding);
        persisted.set(finding.id, finding);
      }
      for (const name of new Set(saved.findings.map((finding) => finding.target))) freezeOrThaw(name);
      if (orphans.length > 0) await inOrder('commit', () => commit(orphans));
    },
    poll,
    backfill,
    async acceptChange(change) {
      const fresh = await inOrder('commit', () => commitChanges([change], options.now()));
      return fresh.length > 0 ? 'new' : 'known';
    },
    ask,
    findings: () => [...active.values()],
    incidents: () => [...incidents.values()],
    blindness: () => [...blind.values()].flat(),
    cycles: () => cycles,
  };
}

function becauseOf(error: unknown): UnknownBecause {
  const code = error instanceof RunbookdError ? error.code : '';
  if (/_(DENIED|CREDENTIALS)$/.test(code)) return 'denied';
  return /_(TIMEOUT|DEADLINE)$/.test(code) ? 'timeout' : 'error';
}

/** The key of the configuration that would let a question be answered. */
function configurationOf({ kind, target }: Question): string | null {
  const keys: Partial<Record<Question['kind'], string>> = {
    'ecs.service': `services.${target}.ecs`,
    'ecs.capacity': `services.${target}.ecs`,
    'alb.targets': `services.${target}.alb`,
    'logs.errors': `services.${target}.logs`,
    'service.health': `services.${target}.health`,
    'vendor.status': `dependencies.${target}.statusPage`,
    'search.engine': `searches.${target}`,
    'search.fallback': `searches.${target}.opensearch`,
    'cache.server': `caches.${target}`,
    'errors.tracked': `services.${target}.sentry`,
    'apm.request_time': `services.${target}.datadog`,
    'rds.instance': `databases.${target}.rds`,
    'rds.network': `databases.${target}.rds`,
  };
  return keys[kind] ?? null;
}

/** The line on top of an update or a resolve. */
function newsOf(incident: Incident, reason: string, now: EpochMs): string | null {
  const at = clockTime(now).slice(0, 5);
  const effect = [...incident.effects].filter((one) => one.appliedAt !== null).sort((a, b) => b.at - a.at)[0];
  if (incident.state === 'resolved' && incident.lead.noData) {
    return `${at} closed: this is not watched any more (its detector or target is gone from the configuration); whether it is over is not known`;
  }
  if (incident.state === 'resolved') {
    const ended = effect?.state === 'worked' ? effect.observed : 'the symptom is gone';
    const lasted = duration(Math.max(0, (now - incident.lead.symptom.onset.latest) / 1000));
    return `${at} resolved after ${lasted}: ${ended}`;
  }
  const last = incident.log.at(-1);
  if (last === undefined) return null;
  if (reason.startsWith('mitigation')) return `${at} ${reason}: ${effect?.observed ?? ''}`;
  if (reason === 'worse') return `${at} worse: ${incident.lead.symptom.headline} (was: ${last.headline})`;
  if (reason === 'diagnosis changed')
    return `${at} diagnosis changed: ${incident.lead.diagnosis?.causes[0]?.title ?? 'unclear'}`;
  return `${at} ${reason}`;
}

/** Whether two states of an incident are the same on disk. */
function sameIncident(before: Incident | undefined, after: Incident): boolean {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(after);
}

export type { Diagnosis };
