/**
 * One account and region: the SDK's clients, made when first needed, one for each service, all from one look at the
 * credential chain. When the credentials turn out to have expired, that look (with its clients) is retired and the next
 * call looks again: a rotated credentials file and a renewed role are found without a restart.
 *
 * The SDK has no deadline of its own by default, and its retries, its wait for credentials and its wait for a socket are
 * not covered by its request timeout; so each call also ends at ours, even when the SDK never does.
 */

import type { Logger } from 'pino';
import { RunbookdError } from '../../model/errors.ts';
import { wrongAnswer } from './answers.ts';
import { capBytes, type Stacked } from './byte-cap.ts';
import type { Aws, AwsAccount, AwsAction, AwsCalls } from './calls.ts';
import { AWS_CLIENTS, AWS_COMMANDS, type AwsService } from './commands.ts';
import { accountLabel, awsError, awsTimeout, credentialsError, isExpired } from './errors.ts';
import { createGate, type Gate, MAX_CONCURRENT, RATES, type Rate, type RateName, rateName } from './gate.ts';

export interface Deadlines {
  readonly connectMs: number;
  /** Of one attempt. */
  readonly requestMs: number;
  /** Of a call with its retry, from when its turn came. */
  readonly callMs: number;
}

export interface AwsOptions {
  readonly log: Logger;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic?: () => number;
  readonly rates?: Partial<Record<RateName, Rate>>;
  readonly deadlines?: Deadlines;
}

/** Of every account that is not given others. */
export const DEADLINES: Deadlines = { connectMs: 2000, requestMs: 8000, callMs: 8500 };

const nothing = (): void => {};
/** The SDK's default logger is the console. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

interface SdkClient extends Stacked {
  send(command: unknown, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  /** The SDK reads the `Date` of each answer, and signs with a clock that it has corrected by it. */
  readonly config?: { readonly systemClockOffset?: number };
  destroy(): void;
}

type Identity = Readonly<Record<string, unknown>>;
type Provider = (properties?: Identity) => Promise<Identity>;

interface Session {
  readonly provider: Promise<Provider>;
  readonly clients: Map<AwsService, Promise<SdkClient>>;
  /** Calls under way: a retired session's sockets are closed after the last. */
  running: number;
  retired: boolean;
  /** AWS has taken these credentials at least once. */
  proven: boolean;
}

export function createAws(account: AwsAccount, options: AwsOptions): Aws {
  const { log, monotonic = () => performance.now(), deadlines = DEADLINES } = options;
  const rates = { ...RATES, ...options.rates };
  const gates = new Map<RateName, Gate>();
  let session = open();
  let closed = false;
  let clockOffsetMs = 0;

  const gateOf = (name: RateName): Gate => {
    const gate = gates.get(name) ?? createGate({ ...rates[name], concurrency: MAX_CONCURRENT, monotonic });
    gates.set(name, gate);
    return gate;
  };

  function requestHandler() {
    const agent = { keepAlive: true, maxSockets: MAX_CONCURRENT + 2 };
    return {
      connectionTimeout: deadlines.connectMs,
      requestTimeout: deadlines.requestMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
      logger: SILENT,
    };
  }

  const clientConfig = () => ({
    region: account.region,
    ...(account.endpoint === null ? {} : { endpoint: account.endpoint }),
    maxAttempts: 2,
    retryMode: 'standard',
    logger: SILENT,
    requestHandler: requestHandler(),
  });

  async function findProvider(): Promise<Provider> {
    const { fromNodeProviderChain, fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
    // The SDK keeps files it has read: a rotated credentials file would never be seen.
    const chain = fromNodeProviderChain({ ignoreCache: true, logger: SILENT });
    const provider =
      account.roleArn === null
        ? chain
        : fromTemporaryCredentials({
            masterCredentials: chain,
            params: {
              RoleArn: account.roleArn,
              RoleSessionName: 'runbookd',
              ...(account.externalId === null ? {} : { ExternalId: account.externalId }),
            },
            clientConfig: clientConfig(),
            logger: SILENT,
          });
    return async (properties) => {
      const startedAt = monotonic();
      try {
        return { ...(await provider(properties)) };
      } catch (error) {
        throw credentialsError(account, error, monotonic() - startedAt);
      }
    };
  }

  function open(): Session {
    let provider: Promise<Provider> | null = null;
    return {
      get provider() {
        provider ??= findProvider();
        return provider;
      },
      clients: new Map(),
      running: 0,
      retired: false,
      proven: false,
    };
  }

  async function createClient(from: Session, service: AwsService): Promise<SdkClient> {
    const { load, client } = AWS_CLIENTS[service];
    const [module, credentials] = await Promise.all([load(), from.provider]);
    const Client = (module as unknown as Readonly<Record<string, new (config: object) => SdkClient>>)[client]!;
    log.debug({ account: account.name, service, region: account.region }, 'aws client made');
    const made = new Client({ ...clientConfig(), credentials });
    capBytes(made);
    return made;
  }

  function clientOf(from: Session, service: AwsService): Promise<SdkClient> {
    const known = from.clients.get(service);
    if (known !== undefined) return known;
    const made = createClient(from, service);
    // What could not be loaded is tried again by the next call.
    made.catch(() => from.clients.delete(service));
    from.clients.set(service, made);
    return made;
  }

  function retire(old: Session): void {
    old.retired = true;
    if (session === old) session = open();
    destroyIfIdle(old);
  }

  function destroyIfIdle(old: Session): void {
    if (!old.retired || old.running > 0) return;
    for (const client of old.clients.values()) client.then((each) => each.destroy(), nothing);
    old.clients.clear();
  }

  async function send(from: Session, action: AwsAction, input: object, signal: AbortSignal): Promise<unknown> {
    const { service, command } = AWS_COMMANDS[action];
    const client = await clientOf(from, service);
    const module = (await AWS_CLIENTS[service].load()) as unknown as Readonly<
      Record<string, new (input: object) => unknown>
    >;
    try {
      const output = await client.send(new module[command]!(input), { abortSignal: signal });
      from.proven = true;
      const wrong = wrongAnswer(action, output);
      if (wrong !== null) throw new RunbookdError('AWS_FAILED', [accountLabel(account), action, wrong]);
      return output;
    } finally {
      // 0 is a client that no answer has reached.
      clockOffsetMs = client.config?.systemClockOffset || clockOffsetMs;
    }
  }

  async function attempt(action: AwsAction, input: object, startedAt: number, signal: AbortSignal): Promise<unknown> {
    const from = session;
    from.running += 1;
    try {
      return await send(from, action, input, signal);
    } catch (error) {
      const mapped = awsError(account, action, error, monotonic() - startedAt);
      if (mapped.code !== 'AWS_CREDENTIALS') throw mapped;
      const again = isExpired(mapped) && from.proven && !signal.aborted && !closed;
      if (!closed) retire(from);
      if (!again) throw mapped;
      log.info({ account: account.name }, 'aws credentials had expired, looking for new ones');
      return await attempt(action, input, startedAt, signal);
    } finally {
      from.running -= 1;
      destroyIfIdle(from);
    }
  }

  /** Settles when the signal fires or the time is over, whatever the SDK does. */
  async function inTime(action: AwsAction, input: object, signal: AbortSignal): Promise<unknown> {
    const startedAt = monotonic();
    const controller = new AbortController();
    const over = Promise.withResolvers<never>();
    const end = (): void => {
      over.reject(awsTimeout(account, action, monotonic() - startedAt));
      controller.abort();
    };
    const timer = setTimeout(end, deadlines.callMs);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      const running = attempt(action, input, startedAt, controller.signal);
      running.catch(nothing);
      return await Promise.race([running, over.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  return {
    account,
    async call<A extends AwsAction>(action: A, input: AwsCalls[A]['input'], signal: AbortSignal) {
      if (closed) throw new RunbookdError('ABORTED', [`${accountLabel(account)}: ${action}`]);
      const enteredAt = monotonic();
      const leave = await gateOf(rateName(action))
        .enter(signal)
        .catch(() => {
          throw awsTimeout(account, action, monotonic() - enteredAt);
        });
      try {
        return (await inTime(action, input, signal)) as AwsCalls[A]['output'];
      } finally {
        leave();
      }
    },
    clockOffsetMs: () => clockOffsetMs,
    close() {
      closed = true;
      retire(session);
    },
  };
}
