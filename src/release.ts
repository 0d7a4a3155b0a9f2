/**
 * The release stack: every acquisition registers its release on the next line. Releasing runs them last in first out,
 * goes on after a failure, and throws what failed when all have run.
 */
export interface ReleaseStack {
  add(name: string, release: () => Promise<void> | void): void;
  /** Idempotent: a second call waits for the first. */
  release(): Promise<void>;
}

export function createReleaseStack(): ReleaseStack {
  const stack: { readonly name: string; readonly release: () => Promise<void> | void }[] = [];
  let running: Promise<void> | null = null;
  const run = async (): Promise<void> => {
    const failures: Error[] = [];
    for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
      try {
        await entry.release();
      } catch (error) {
        failures.push(new Error(`releasing ${entry.name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
  };
  return {
    add(name, release) {
      stack.push({ name, release });
    },
    release() {
      running ??= run();
      return running;
    },
  };
}
