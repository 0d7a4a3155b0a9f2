/** What a service says of its cache. */

import type { LogKind } from '../../model/index.ts';
import type { AnyProbe } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, safeName } from '../format.ts';
import { FEW_MESSAGES, logShare, logsQuestion } from './service-questions.ts';

/** A cache by one of the names that readiness endpoints, hosts and messages give it, or by its port. */
export const CACHE = /redis|valkey|memcached?|elasticache|cache|\b(?:6379|11211)\b/i;

const NAMELESS: readonly LogKind[] = ['refused', 'timeout'];

export function cacheMessagesProbe(): AnyProbe {
  return probe({
    id: 'cache-messages',
    factor: 'logs',
    title: 'error messages about the cache',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const found = logShare(logs, facts, ({ template, host }) => CACHE.test(template) || CACHE.test(host ?? ''));
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${found.fitting} of ${found.all} more error messages than before are about the cache`;
      if (found.top === null || found.share < 0.05) {
        // Clients often name nothing but an address, which says nothing to us.
        const nameless = logShare(logs, facts, ({ kind, host }) => NAMELESS.includes(kind) && host === null);
        if (nameless.share >= 0.2) {
          return neutral(`${nameless.fitting} of ${found.all} more error messages than before name nobody`);
        }
        return opposes(1.5, observed, { headline: 'no message is about the cache' });
      }
      if (found.share < 0.2) return neutral(observed);
      const text = `${observed}: ${safeName(found.top.template, 120)}`;
      return supports(found.share >= 0.5 ? 3 : 1.5, text, {
        headline: `${percent(found.share)} of the new error messages are about the cache`,
      });
    },
  });
}
