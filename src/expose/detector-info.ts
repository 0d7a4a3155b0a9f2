/** Detectors as the API and `detectors --json` list them. */

interface OptionInfo {
  readonly type: string;
  readonly default: number | boolean | string;
  readonly description: string;
  readonly unit?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly choices?: readonly string[];
}

/** What is shown of a detector. A loaded detector fits it. */
export interface DetectorInfo {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly runbook: string;
  readonly target: string;
  readonly options: Readonly<Record<string, OptionInfo>>;
  readonly hypotheses: readonly {
    readonly cause: string;
    readonly variant?: string;
    readonly title: string;
    readonly prior: number;
  }[];
}

export interface DetectorDescription {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly runbook: string;
  readonly target: string;
  readonly options: readonly ({ readonly name: string } & OptionInfo)[];
  readonly causes: readonly {
    readonly cause: string;
    readonly variant: string | null;
    readonly title: string;
    readonly prior: number;
  }[];
}

export function describeDetector(detector: DetectorInfo): DetectorDescription {
  const { id, title, why, runbook, target, options, hypotheses } = detector;
  return {
    id,
    title,
    why,
    runbook,
    target,
    options: Object.entries(options).map(([name, spec]) => ({ name, ...spec })),
    causes: hypotheses.map((one) => ({
      cause: one.cause,
      variant: one.variant ?? null,
      title: one.title,
      prior: one.prior,
    })),
  };
}
