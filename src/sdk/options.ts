/** A detector's options as plain data: configuration, JSON Schema and `detectors --json` are all made from it. */

interface SpecBase<T> {
  readonly default: T;
  readonly description: string;
  /** Unit for people: `s`, `polls`, `ratio`. Also in the option's name where it is not obvious. */
  readonly unit?: string;
}

export interface NumberSpec extends SpecBase<number> {
  readonly type: 'number' | 'integer';
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface BooleanSpec extends SpecBase<boolean> {
  readonly type: 'boolean';
}

export interface StringSpec extends SpecBase<string> {
  readonly type: 'string';
  readonly choices?: readonly string[];
}

export type OptionSpec = NumberSpec | BooleanSpec | StringSpec;

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** The values that a rule gets, every option present. */
export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends NumberSpec ? number : S[K] extends BooleanSpec ? boolean : string;
};

type Rest = Omit<NumberSpec, 'type' | 'default' | 'description'>;

export function number(value: number, description: string, rest: Rest = {}): NumberSpec {
  return { type: 'number', default: value, description, ...rest };
}

export function integer(value: number, description: string, rest: Rest = {}): NumberSpec {
  return { type: 'integer', default: value, description, ...rest };
}

export function boolean(value: boolean, description: string): BooleanSpec {
  return { type: 'boolean', default: value, description };
}

/** The options that every detector has; what a detector passes becomes its default. */
export interface LifecycleDefaults {
  readonly pollSeconds: number;
  readonly holdSeconds: number;
  readonly clearPolls: number;
  readonly clearSeconds: number;
}

export interface LifecycleSpecs {
  readonly pollSeconds: NumberSpec;
  readonly holdSeconds: NumberSpec;
  readonly clearPolls: NumberSpec;
  readonly clearSeconds: NumberSpec;
  readonly flapHoldSeconds: NumberSpec;
  readonly rewalkSeconds: NumberSpec;
}

export function lifecycleOptions(defaults: LifecycleDefaults): LifecycleSpecs {
  return {
    pollSeconds: integer(defaults.pollSeconds, 'how often its signals are read', {
      unit: 's',
      minimum: 1,
      maximum: 3600,
    }),
    holdSeconds: number(defaults.holdSeconds, 'how long the symptom must last before the finding fires', {
      unit: 's',
      minimum: 0,
      maximum: 86_400,
    }),
    clearPolls: integer(defaults.clearPolls, 'clean polls in a row before the finding resolves', {
      unit: 'polls',
      minimum: 1,
      maximum: 100,
    }),
    clearSeconds: number(defaults.clearSeconds, 'how long the symptom must be gone before the finding resolves', {
      unit: 's',
      minimum: 0,
      maximum: 86_400,
    }),
    flapHoldSeconds: number(
      300,
      'how long a symptom that has come and gone three times in two hours must be gone; doubles with each further time',
      { unit: 's', minimum: 0, maximum: 3600 },
    ),
    rewalkSeconds: number(60, 'how often the diagnosis is made anew while the finding fires', {
      unit: 's',
      minimum: 1,
      maximum: 3600,
    }),
  };
}
