/** From an error of `Aws.call` to what a page, `doctor` and the ledger say: why it could not be seen, and what would help. */

import { messageOf, RunbookdError } from '../../model/errors.ts';
import type { UnknownAnswer, Unseen } from '../../model/question.ts';
import type { Blindness } from '../../model/source.ts';
import { AwsCause } from './errors.ts';

/** `grant` is one line. */
export type AwsFailure = Unseen;

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
    case 'AWS_THROTTLED':
      return { because: 'error', detail, grant: action === null ? null : quotaGrant(action) };
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

/** Calls per second are a quota of the account and region, which all its callers share. */
function quotaGrant(action: string): string {
  return `service quotas: raise the calls per second of ${action}, or let others in the account call it less`;
}

export const CLOCK_GRANT = 'set the clock of this machine: chronyc tracking, timedatectl';

const CHAIN_GRANT =
  'give runbookd credentials by the default chain: a task role, IRSA, an instance profile, or AWS_PROFILE';

function credentialsGrant(detail: string): string {
  if (detail.includes('they have expired, or')) return `${CHAIN_GRANT}; or ${CLOCK_GRANT}`;
  return detail.includes('clock') ? CLOCK_GRANT : CHAIN_GRANT;
}

export function awsBlindness(target: string, check: string, error: unknown): Blindness {
  return { target, check, ...failureOf(error) };
}

export function awsUnknown<K extends UnknownAnswer['kind']>(kind: K, error: unknown): UnknownAnswer<K> {
  const { because, detail, grant } = failureOf(error);
  return { state: 'unknown', kind, because, detail, ...(grant === null ? {} : { grant }) };
}
