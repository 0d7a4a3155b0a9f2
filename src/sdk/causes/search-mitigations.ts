/**
 * What to do about search: look at the engine, at its collections and at the outbox, fill the index again, and let the
 * other engine answer where that is ready. Corrected against the runbook: the reindex is tried dry first and of the
 * collection that shrank (not of one city); the API key comes from the environment of who types (curl 8.3 and later), so
 * that it is in no command line.
 */

import type { Effect, Mitigation } from '../detector.ts';
import { effect } from '../detector.ts';
import { count, percent } from '../format.ts';
import { seriesQuestion } from './service-questions.ts';
import { levelsOf } from './service-series.ts';

const KEY = '--variable %TYPESENSE_API_KEY --expand-header "X-TYPESENSE-API-KEY: {{TYPESENSE_API_KEY}}"';
const COLLECTION = `curl -sS -m 10 ${KEY} {searchUrl}/collections/{collection}`;
const DRY_RUN = 'npm run search:reindex -- --surface={collection} --dry-run';
const NEEDS_KEY = 'reads only; needs TYPESENSE_API_KEY in the environment and curl 8.3 or later';

const refilled: Effect = effect<'series'>({
  expect: 'the collection has 95 % of its usual documents within 30 min',
  withinMs: 30 * 60_000,
  ask: (_slots, facts) => seriesQuestion(facts, 'search_documents'),
  judge({ points }, slots, facts) {
    const level = levelsOf(points, facts).find((one) => one.labels['collection'] === slots['collection']);
    if (level === undefined || level.before === null)
      return { state: 'not_yet', observed: 'its documents are not known' };
    const newest = level.points.at(-1)!.value;
    const lowest = Math.min(...level.points.filter((one) => one.at >= facts.onset.latest).map((one) => one.value));
    const observed = `${count(newest)} documents, ${percent(newest / level.before)} of usual`;
    if (newest >= 0.95 * level.before) return { state: 'worked', observed };
    return { state: newest > lowest * 1.05 + 1 ? 'partly' : 'not_applied', observed };
  },
});

const leftTheEngine: Effect = effect<'series'>({
  expect: 'searches leave the engine within 5 min',
  withinMs: 5 * 60_000,
  ask: (_slots, facts) => seriesQuestion(facts, 'search_requests_per_second'),
  judge({ points }, _slots, facts) {
    const before = points.filter((one) => one.at <= facts.onset.earliest).map((one) => one.value);
    const usual = before.reduce((sum, one) => sum + one, 0) / Math.max(1, before.length);
    const now = points.at(-1)?.value ?? usual;
    const observed = `${count(now, 1)} searches a second reach the engine, ${count(usual, 1)} before it began`;
    if (usual <= 0 || now > usual * 0.5) return { state: 'not_applied', observed };
    return { state: now <= usual * 0.05 ? 'worked' : 'partly', observed };
  },
});

export const searchMitigations: Readonly<Record<string, Mitigation>> = {
  'engine-health': {
    title: 'Ask the search engine how it is',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'curl -sS -m 10 {searchUrl}/health',
  },
  'engine-stats': {
    title: 'Look at the latency of the search engine',
    risk: 'read-only',
    riskText: NEEDS_KEY,
    command: 'npm run metrics:typesense -- --window=15m --metric=latency',
    alternative: `curl -sS -m 10 ${KEY} {searchUrl}/stats.json`,
  },
  'engine-resources': {
    title: 'Look at memory, disk and CPU of the search engine',
    risk: 'read-only',
    riskText: NEEDS_KEY,
    command: `curl -sS -m 10 ${KEY} {searchUrl}/metrics.json`,
  },
  'collection-stats': {
    title: 'Count the documents of {collection}',
    risk: 'read-only',
    riskText: NEEDS_KEY,
    command: COLLECTION,
  },
  'outbox-count': {
    title: 'Count what waits in the outbox of the index',
    risk: 'read-only',
    riskText: 'reads only',
    command: '{psql} -c "SELECT count(*), processed FROM search.outbox GROUP BY processed"',
  },
  'indexer-logs': {
    title: 'Read what the indexer says',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'aws logs tail --region {region} /aws/lambda/{functionName} --since 30m --follow',
  },
  'reindex-dry-run': {
    title: 'See what filling {collection} again would do, without doing it',
    risk: 'read-only',
    riskText: 'reads the database and the engine; writes nothing',
    command: DRY_RUN,
  },
  reindex: {
    title: 'Fill {collection} again',
    risk: 'disruptive',
    riskText:
      'reads every row of it from the database and writes every document: both are busy meanwhile, and an engine that is out of disk or memory refuses it; run it dry first; there is no undo',
    precheck: DRY_RUN,
    command: 'npm run search:reindex -- --surface={collection}',
    verify: COLLECTION,
    effect: refilled,
  },
  fallback: {
    title: 'Let OpenSearch answer searches',
    risk: 'reversible',
    riskText:
      'reversible: every search goes to OpenSearch from now on; ranking differs, and its index may be older than the one of Typesense; to undo, give {fallbackFlag} the value that it has now',
    precheck: 'curl -sS -m 10 {fallbackUrl}/_cluster/health',
    command: 'npm run flags:update -- --flag={fallbackFlag} --value={fallbackEngine}',
    effect: leftTheEngine,
  },
  'cache-hit-rate': {
    title: 'Look at the hit rate of the search cache',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run metrics:search -- --window=15m --metric=cache_hit_rate',
  },
  'cache-info': {
    title: 'Look at evictions, memory and clients of the cache',
    risk: 'read-only',
    riskText: 'reads only; takes the password from REDISCLI_AUTH',
    command: 'redis-cli -h {host} -p {port} INFO',
  },
  'query-complexity': {
    title: 'Look at filters and facets by query',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run metrics:search -- --window=15m --group-by=filters,facets',
  },
  'search-deploy-history': {
    title: 'Look at what was brought out last',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run deploy:history -- --limit=5',
  },
  'rollback-queries': {
    title: 'Go back to {previousVersion} of {service}, which sent the queries of before',
    risk: 'reversible',
    riskText:
      'reversible: tasks are replaced one after another; look first whether the newer version changed the database in a way that the one before cannot read; to undo, bring the newer version out again',
    precheck: 'npm run deploy:history -- --limit=5',
    command: 'npm run deploy:rollback -- --service={service} --to-version={previousVersion}',
  },
};
