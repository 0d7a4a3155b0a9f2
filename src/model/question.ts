/**
 * Questions and answers: the only I/O of a diagnosis, as plain data. A question is asked once per walk however many
 * probes need it; the same questions with the same answers give the same diagnosis, byte for byte.
 */

import type {
  EcsCapacityAnswer,
  EcsServiceAnswer,
  LambdaFunctionAnswer,
  LogErrorsAnswer,
  RdsInstanceAnswer,
  RdsNetworkAnswer,
  SqsQueueAnswer,
  TargetGroupAnswer,
} from './aws.ts';
import type { Change } from './change.ts';
import type { EpochMs, Unit } from './glossary.ts';
import type { ServiceHealthAnswer, VendorStatusAnswer } from './health.ts';
import type {
  ActivityAnswer,
  LockTreeAnswer,
  PostgresServerFacts,
  ReachabilityAnswer,
  ReplicationAnswer,
  SessionsAnswer,
  StatementsAnswer,
  TablesAnswer,
} from './postgres.ts';
import type { Labels } from './series.ts';
import type { SourceFailureAnswer } from './source.ts';

import type {
  CacheServerAnswer,
  RequestTimeAnswer,
  SearchEngineAnswer,
  SearchFallbackAnswer,
  TrackedErrorsAnswer,
} from './systems.ts';

export interface Window {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/** What each kind of question takes and gives. Sources of later backends add their kinds here. */
export interface QuestionTypes {
  'postgres.server': { readonly params: Record<never, never>; readonly value: PostgresServerFacts };
  'postgres.sessions': { readonly params: Record<never, never>; readonly value: SessionsAnswer };
  'postgres.lock_tree': { readonly params: Record<never, never>; readonly value: LockTreeAnswer };
  'postgres.statements': { readonly params: Record<never, never>; readonly value: StatementsAnswer };
  /** State of the tables touched by the statements with most time in the window. */
  'postgres.tables': { readonly params: Record<never, never>; readonly value: TablesAnswer };
  'postgres.activity': { readonly params: Record<never, never>; readonly value: ActivityAnswer };
  'postgres.replication': { readonly params: Record<never, never>; readonly value: ReplicationAnswer };
  'postgres.reachability': { readonly params: Record<never, never>; readonly value: ReachabilityAnswer };
  /** Is this very backend still there? Used by effects: a mitigation was applied when it is gone. */
  'postgres.backend': {
    readonly params: { readonly pid: number; readonly backendStart: string };
    readonly value: { readonly at: EpochMs; readonly alive: boolean; readonly state: string | null };
  };
  'ecs.service': { readonly params: Record<never, never>; readonly value: EcsServiceAnswer };
  'ecs.capacity': { readonly params: Record<never, never>; readonly value: EcsCapacityAnswer };
  'alb.targets': { readonly params: Record<never, never>; readonly value: TargetGroupAnswer };
  /** Error messages of the service; `since` splits the window into before and after. */
  'logs.errors': { readonly params: { readonly since: EpochMs }; readonly value: LogErrorsAnswer };
  'rds.instance': { readonly params: Record<never, never>; readonly value: RdsInstanceAnswer };
  'rds.network': { readonly params: Record<never, never>; readonly value: RdsNetworkAnswer };
  'lambda.function': { readonly params: Record<never, never>; readonly value: LambdaFunctionAnswer };
  'sqs.queue': { readonly params: Record<never, never>; readonly value: SqsQueueAnswer };
  'service.health': { readonly params: Record<never, never>; readonly value: ServiceHealthAnswer };
  'vendor.status': { readonly params: Record<never, never>; readonly value: VendorStatusAnswer };
  'search.engine': { readonly params: Record<never, never>; readonly value: SearchEngineAnswer };
  'search.fallback': { readonly params: Record<never, never>; readonly value: SearchFallbackAnswer };
  'cache.server': { readonly params: Record<never, never>; readonly value: CacheServerAnswer };
  'errors.tracked': { readonly params: { readonly since: EpochMs }; readonly value: TrackedErrorsAnswer };
  'apm.request_time': { readonly params: { readonly since: EpochMs }; readonly value: RequestTimeAnswer };
  /** Of a target of kind `source`: why nothing of it can be read. */
  'source.failure': { readonly params: Record<never, never>; readonly value: SourceFailureAnswer };
  /** Changes of the target, of what it depends on and of what depends on it, in the window, oldest first. */
  changes: { readonly params: Record<never, never>; readonly value: { readonly changes: readonly Change[] } };
  /** One signal's samples in the window beside their bands. */
  series: {
    readonly params: { readonly signal: string; readonly labels?: Labels };
    readonly value: {
      readonly unit: Unit;
      readonly points: readonly {
        readonly labels: Labels;
        readonly at: EpochMs;
        readonly value: number;
        readonly expected: number | null;
        readonly lower: number | null;
        readonly upper: number | null;
      }[];
    };
  };
}

export type QuestionKind = keyof QuestionTypes;

export interface Question<K extends QuestionKind = QuestionKind> {
  readonly kind: K;
  readonly target: string;
  readonly window: Window;
  readonly params: QuestionTypes[K]['params'];
}

/** Why something could not be seen. */
export type UnknownBecause = 'no_data' | 'denied' | 'timeout' | 'unsupported' | 'not_configured' | 'error';

export type Answer<K extends QuestionKind = QuestionKind> =
  | {
      readonly [Kind in K]: {
        readonly state: 'answered';
        readonly kind: Kind;
        readonly value: QuestionTypes[Kind]['value'];
        readonly at: EpochMs;
        /** Where the figures come from, so that they can be had again: `main-db: pg_stat_activity, pg_blocking_pids()`. */
        readonly source: string;
        /** What is missing from the value, where the rest is worth having without it. */
        readonly unseen?: readonly Unseen[];
      };
    }[K]
  | UnknownAnswer<K>;

/** A part that could not be seen. */
export interface Unseen {
  readonly because: UnknownBecause;
  /** What went wrong, for people, redacted. */
  readonly detail: string;
  /** The grant or setting that would let us see; null where none would. */
  readonly grant: string | null;
}

export interface UnknownAnswer<K extends QuestionKind = QuestionKind> {
  readonly state: 'unknown';
  readonly kind: K;
  readonly because: UnknownBecause;
  /** What went wrong, for people, redacted. */
  readonly detail: string;
  /** The grant or setting that would let us see, ready to paste where it is a command. */
  readonly grant?: string;
}
