/** Faults whose first symptom is a search that finds nothing, or takes long. */

import { READY, WELL } from '../../search.ts';
import type { SystemsWorld } from '../../systems.ts';
import { befall, type SystemFault, type SystemMaking } from './fault.ts';

const noResults = (cause: string) => ({ detector: 'search-no-results', target: 'typesense', cause });
const slow = (cause: string) => ({ detector: 'search-latency', target: 'typesense', cause });
const WATCH = ['typesense', 'search', 'main-db', 'redis', 'indexer'] as const;

/** As the page must have it where OpenSearch is ready: the flag and its value are of the configuration. */
const FALLBACK = 'npm run flags:update -- --flag=search.engine --value=OPENSEARCH';
const LOOK_AT_MODELS = 'http://127.0.0.1:{port}/collections/models';

const portOf = (url: string): number => Number(new URL(url).port);

/** Where the engine does not answer, searches fail, as the service in front of it says, and the indexer fails too. */
function engineFails({ affect, queue }: SystemMaking, world: SystemsWorld, message: string): void {
  queue('rastup-search-index', { errorShare: 0.97 });
  affect('search', {
    errors: { share: 0.7, status: 502 },
    log: { perMinute: 60, messages: [message.replace('{engine}', new URL(world.typesense.url).host)] },
  });
}

const INDEXER = { detector: 'message-delivery-delays', target: 'indexer' } as const;
const FAILING_SEARCHES = [{ detector: 'high-error-rate', target: 'search' }, INDEXER] as const;

const noResultFaults: readonly SystemFault[] = [
  {
    name: 'search-collection-shrunk',
    title: 'an import of models ended half way: two thirds of the documents are gone',
    expect: {
      ...noResults('index-shrunk'),
      commands: ['npm run search:reindex -- --surface=models --dry-run', LOOK_AT_MODELS],
      says: [/models shrank 66 %/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { lost: { models: 0.66 } });
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-collection-empty',
    title: 'somebody emptied the collection models',
    expect: {
      ...noResults('index-shrunk'),
      commands: ['npm run search:reindex -- --surface=models --dry-run', LOOK_AT_MODELS],
      says: [/models is empty/],
    },
    lookAlikeOf: 'search-collection-missing',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { lost: { models: 1 } });
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-collection-missing',
    title: 'the collection models was dropped: the engine answers 404',
    expect: {
      ...noResults('index-shrunk'),
      variant: 'collection-missing',
      commands: ['npm run search:reindex -- --surface=models --dry-run'],
      says: [/does not know models/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { lost: { models: 1 }, dropped: ['models'] });
        return {};
      }),
  },
  {
    name: 'search-engine-gone',
    title: 'the engine refuses connections: its process has ended',
    expect: {
      ...noResults('search-engine-down'),
      variant: 'unreachable',
      commands: ['curl -sS -m 10 http://127.0.0.1:{port}/health', FALLBACK],
      says: [/refuses connections/],
    },
    also: FAILING_SEARCHES,
    watch: WATCH,
    inject: async (world) => {
      await world.typesense.stop();
      const active = befall(world, (moves) => {
        engineFails(moves, world, 'Error: connect ECONNREFUSED {engine} (request {id})');
        return { port: portOf(world.typesense.url) };
      });
      return { ...active, cure: () => world.typesense.start().then(active.cure) };
    },
  },
  {
    name: 'search-engine-lagging',
    title: 'the engine has restarted and loads its collections: it answers 503 to everything',
    expect: {
      ...noResults('search-engine-down'),
      variant: 'not-ready',
      commands: ['curl -sS -m 10 http://127.0.0.1:{port}/health', FALLBACK],
    },
    also: FAILING_SEARCHES,
    lookAlikeOf: 'search-engine-gone',
    watch: WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        world.typesense.set({ ok: false });
        moves.undo(() => world.typesense.set({ ok: true }));
        engineFails(moves, world, 'Error: search answered 503 Not Ready or Lagging (request {id})');
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-engine-disk-full',
    title: 'the disk of the engine is full: it searches and refuses writes, so what is new is not found',
    expect: {
      ...noResults('search-engine-down'),
      variant: 'out-of-disk',
      commands: ['http://127.0.0.1:{port}/metrics.json', FALLBACK],
      says: [/OUT_OF_DISK/, /disk > 99 %/],
    },
    also: [INDEXER],
    lookAlikeOf: 'search-indexer-fails',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, queue, undo }) => {
        world.typesense.set({ resourceError: 'OUT_OF_DISK', diskUsedBytes: Math.round(WELL.diskTotalBytes * 0.99) });
        undo(() => world.typesense.set({ resourceError: null, diskUsedBytes: WELL.diskUsedBytes }));
        measure('search', { zeroShare: 0.14 });
        queue('rastup-search-index', { errorShare: 0.95 });
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-engine-memory-full',
    title: 'the engine has no memory left: it searches and refuses writes, so what is new is not found',
    expect: {
      ...noResults('search-engine-down'),
      variant: 'out-of-memory',
      commands: ['http://127.0.0.1:{port}/metrics.json', FALLBACK],
      says: [/OUT_OF_MEMORY/],
    },
    also: [INDEXER, { detector: 'search-latency', target: 'typesense' }],
    lookAlikeOf: 'search-engine-disk-full',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, queue, undo }) => {
        world.typesense.set({ resourceError: 'OUT_OF_MEMORY' });
        undo(() => world.typesense.set({ resourceError: null }));
        measure('search', { zeroShare: 0.14, memory: 0.6 });
        queue('rastup-search-index', { errorShare: 0.95 });
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-outbox-behind',
    title: 'the relay of the outbox stands still: what changed does not reach the index',
    expect: {
      ...noResults('indexer-behind'),
      on: 'main-db',
      commands: ['SELECT count(*), processed FROM search.outbox', 'npm run flags:update -- --flag=search.engine'],
      says: [/changes wait in the outbox/],
    },
    also: [{ detector: 'outbox-backlog', target: 'main-db' }],
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('outbox', { drained: 0 });
        measure('search', { zeroShare: 0.14 });
        return {};
      }),
  },
  {
    name: 'search-indexer-fails',
    title: 'the function that fills the index fails on every batch',
    expect: {
      ...noResults('indexer-behind'),
      variant: 'indexer-fails',
      on: 'indexer',
      commands: ['aws logs tail --region us-east-1 /aws/lambda/rastup-search-indexer --since 30m'],
    },
    also: [INDEXER],
    lookAlikeOf: 'search-outbox-behind',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, queue }) => {
        queue('rastup-search-index', { errorShare: 0.95 });
        measure('search', { zeroShare: 0.14 });
        return {};
      }),
  },
  {
    name: 'search-new-queries',
    title: 'version 512 of search filters by a field that most models do not have',
    expect: {
      ...noResults('query-change'),
      commands: ['npm run deploy:rollback -- --service=search --to-version=search:511'],
      says: [/search:512/],
    },
    lookAlikeOf: 'search-collection-shrunk',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, deploy }) => {
        deploy('search', 512);
        measure('search', { zeroShare: 0.4 });
        return {};
      }),
  },
];

const slowFaults: readonly SystemFault[] = [
  {
    name: 'search-engine-overloaded',
    title: "a backup on the engine's machine takes its CPU",
    expect: {
      ...slow('search-engine-overloaded'),
      commands: ['http://127.0.0.1:{port}/stats.json', FALLBACK],
      says: [/CPU of .* is at 9\d %/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { cpu: 0.68 });
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-engine-overloaded-alone',
    title: "a backup on the engine's machine takes its CPU, and OpenSearch has lost a primary shard",
    expect: { ...slow('search-engine-overloaded'), says: [/not ready to take over/] },
    withheld: ['fallback'],
    lookAlikeOf: 'search-memory-short',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, undo }) => {
        world.opensearch.set({ status: 'red', unassignedShards: 2, activeShards: 22, activePrimaryShards: 11 });
        undo(() => world.opensearch.set(READY));
        measure('search', { cpu: 0.68 });
        return {};
      }),
  },
  {
    name: 'search-memory-short',
    title: 'the index has outgrown the memory of the engine',
    expect: {
      ...slow('search-memory-pressure'),
      commands: ['http://127.0.0.1:{port}/metrics.json', FALLBACK],
      says: [/memory of .* is at 9\d %/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { memory: 0.57 });
        return { port: portOf(world.typesense.url) };
      }),
  },
  {
    name: 'search-bulk-import',
    title: 'an import writes every model anew: the engine is busy with writes',
    expect: { ...slow('search-writes-pending'), commands: [FALLBACK], says: [/batches of writes wait/] },
    lookAlikeOf: 'search-engine-overloaded',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { pendingWrites: 900, cpu: 0.45, waits: 60 });
        return {};
      }),
  },
  {
    name: 'search-cache-keys',
    title: 'the search cache answers hardly anything: a change of the keys',
    expect: {
      ...slow('cache-miss-storm'),
      commands: ['npm run metrics:search -- --window=15m --metric=cache_hit_rate', FALLBACK],
      says: [/hit rate|found in the search cache/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { hitRatio: -0.5 });
        return {};
      }),
  },
  {
    name: 'search-surge',
    title: 'three times the usual searches: a campaign',
    expect: { ...slow('traffic-surge'), commands: [FALLBACK], says: [/2\.9× the usual searches/] },
    lookAlikeOf: 'search-cache-keys',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('search', { queriesFactor: 2.9 });
        return {};
      }),
  },
  {
    name: 'search-facets',
    title: 'version 512 of search asks for twice the facets with every search',
    expect: {
      ...slow('query-complexity'),
      commands: [
        'npm run metrics:search -- --window=15m --group-by=filters,facets',
        'npm run deploy:rollback -- --service=search --to-version=search:511',
      ],
      says: [/filters and facets/, /search:512/],
    },
    lookAlikeOf: 'search-surge',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, deploy }) => {
        deploy('search', 512);
        measure('search', { facetsFactor: 2.2 });
        return {};
      }),
  },
  {
    name: 'search-cache-evicting',
    title: 'the cache is full and throws out what searches left in it',
    expect: {
      ...slow('cache-miss-storm'),
      variant: 'evicting',
      on: 'redis',
      commands: ['redis-cli -h 127.0.0.1 -p {port} INFO'],
      says: [/keys\/s evicted|evicts/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure, undo }) => {
        world.redis.set({ usedMemoryBytes: 1_072_000_000 });
        undo(() => world.redis.set({ usedMemoryBytes: 268_435_456 }));
        measure('cache', { hitRatio: -0.45, evictionsPerSecond: 380 });
        measure('search', { hitRatio: -0.5 });
        return { port: world.redis.port };
      }),
  },
  {
    name: 'search-cache-restarted',
    title: 'the cache was restarted and is empty',
    expect: {
      ...slow('cache-miss-storm'),
      variant: 'cache-down',
      on: 'redis',
      commands: ['redis-cli -h 127.0.0.1 -p {port} INFO'],
      says: [/it started/],
    },
    lookAlikeOf: 'search-cache-evicting',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        world.restartCache();
        measure('cache', { hitRatio: -0.6 });
        measure('search', { hitRatio: -0.5 });
        return { port: world.redis.port };
      }),
  },
];

export const searchFaults: readonly SystemFault[] = [...noResultFaults, ...slowFaults];
