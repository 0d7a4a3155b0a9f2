/** From an error of `Aws.call` to what a page, `doctor` and the ledger say: why it could not be seen, and what would help. */

import { messageOf, RunbookdError } from '../../model/errors.ts';
import type { UnknownAnswer, UnknownBecause } from '../../model/question.ts';
import type { Blindness } from '../../model/source.ts';
import { AwsCause } from './errors.ts';

export interface AwsFailure {
  readonly because: UnknownBecause;
  readonly detail: string;
  /** One line; null where nobody's permission or setting would help. */
  readonly grant: string | null;
}

export function failureOf(error: unknown): AwsFailure {
  const detail = messageOf(error);
  const cause = error instanceof RunbookdError && error.cause instanceof AwsCause ? error.cause : null;
  const action = cause?.action ?? null;
  switch (error instanceof RunbookdError ? error.code : null) {
    case 'AWS_DENIED':
      if (cause?.explicitDeny === true) {
        return { because: 'denied', detail, grant: `iam: a policy denies ${action} explicitly, lift it there` };
      }
      return { because: 'denied', detail, grant: action === null ? null : `iam: allow ${action}` };
    case 'AWS_CREDENTIALS':
      return { because: 'denied', detail, grant: credentialsGrant(detail) };
    case 'AWS_NOT_FOUND':
      return {
        because: 'not_configured',
        detail,
        grant: 'check the name, the account and the region in the configuration',
      };
    case 'AWS_TIMEOUT':
    case 'ABORTED':
    case 'POLL_DEADLINE':
      return { because: 'timeout', detail, grant: null };
    default:
      return { because: 'error', detail, grant: null };
  }
}

export const CLOCK_GRANT = 'set the clock of this machine: chronyc tracking, timedatectl';

function credentialsGrant(detail: string): string {
  if (detail.includes('clock')) return CLOCK_GRANT;
  return 'give runbookd credentials by the default chain: a task role, IRSA, an instance profile, or AWS_PROFILE';
}

export function awsBlindness(target: string, check: string, error: unknown): Blindness {
  return { target, check, ...failureOf(error) };
}

export function awsUnknown<K extends UnknownAnswer['kind']>(kind: K, error: unknown): UnknownAnswer<K> {
  const { because, detail, grant } = failureOf(error);
  return { state: 'unknown', kind, because, detail, ...(grant === null ? {} : { grant }) };
}
