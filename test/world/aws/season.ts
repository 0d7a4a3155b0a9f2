/** How traffic goes over the day and the week, in the users' time zone. */

const HOUR = 3_600_000;

export interface Season {
  /** Share of the nominal traffic at a time: ±40 % over the day, 25 % less at the weekend, without steps. */
  factor(at: number): number;
}

export function createSeason(timeZone: string, phaseHours = 0, swing = 0.4): Season {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    hour: 'numeric',
    minute: 'numeric',
  });
  // The offset changes at whole hours at most; asking Intl for every minute of weeks would cost seconds.
  const offsets = new Map<number, number>();

  function hourOfWeek(at: number): number {
    const slot = Math.floor(at / HOUR);
    let offset = offsets.get(slot);
    if (offset === undefined) {
      const parts = Object.fromEntries(format.formatToParts(slot * HOUR).map(({ type, value }) => [type, value]));
      const day = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(parts['weekday'] ?? '');
      offset = day * 24 + Number(parts['hour']) + Number(parts['minute']) / 60;
      offsets.set(slot, offset);
    }
    return offset + (at - slot * HOUR) / HOUR;
  }

  return {
    factor(at) {
      const hour = hourOfWeek(at);
      const angle = ((hour - 15 - phaseHours) / 24) * 2 * Math.PI;
      // Two harmonics: a broad day and a narrower night; scaled so that the extremes are ±swing.
      const day = (Math.cos(angle) + 0.18 * Math.cos(2 * angle)) / 1.18;
      return (1 + swing * Math.max(-1, day)) * (1 - 0.25 * weekend(hour));
    },
  };
}

/** 1 in the middle of the weekend, 0 on working days, over eight hours from one to the other. */
function weekend(hour: number): number {
  const friday = 4 * 24 + 20;
  const sunday = 6 * 24 + 20;
  const wrapped = hour < 12 ? hour + 168 : hour;
  const up = ease((wrapped - friday) / 8);
  const down = ease((wrapped - sunday) / 8);
  return up - down;
}

const ease = (t: number): number => {
  const x = Math.min(1, Math.max(0, t));
  return x * x * (3 - 2 * x);
};
