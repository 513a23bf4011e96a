const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** The age in seconds from which each unit is used, the smallest first. */
const STEPS: readonly {
  readonly below: number;
  readonly unit: [number, string];
  readonly rest?: [number, string];
}[] = [
  { below: 2 * MINUTE, unit: [1, 's'] },
  { below: 10 * MINUTE, unit: [MINUTE, 'm'], rest: [1, 's'] },
  { below: 3 * HOUR, unit: [MINUTE, 'm'] },
  { below: 8 * HOUR, unit: [HOUR, 'h'], rest: [MINUTE, 'm'] },
  { below: 2 * DAY, unit: [HOUR, 'h'] },
  { below: 8 * DAY, unit: [DAY, 'd'], rest: [HOUR, 'h'] },
  { below: 2 * YEAR, unit: [DAY, 'd'] },
  { below: 8 * YEAR, unit: [YEAR, 'y'], rest: [DAY, 'd'] },
  { below: Infinity, unit: [YEAR, 'y'] },
];

/** An age in the format of apimachinery's `duration.HumanDuration`: two or three significant digits. */
export function humanDuration(since: string, now: Date): string {
  const seconds = Math.trunc((now.getTime() - Date.parse(since)) / 1000);
  if (Number.isNaN(seconds) || seconds < -1) return '<invalid>';
  const age = Math.max(0, seconds);
  const step = STEPS.find(({ below }) => age < below);
  if (step === undefined) return '<invalid>';
  const { unit, rest } = step;
  const left = rest === undefined ? 0 : Math.floor((age % unit[0]) / rest[0]);
  const whole = `${String(Math.floor(age / unit[0]))}${unit[1]}`;
  return rest === undefined || left === 0 ? whole : `${whole}${String(left)}${rest[1]}`;
}
