import type { ChaosReport } from './run.js';

const SHOWN = 20;

/** A report for people: the seed, what happened, and of a failure what is needed to look into it. */
export function describeReport({ seed, seconds, violations, timeline, counts }: ChaosReport): string {
  const numbers = Object.entries(counts)
    .map(([name, count]) => `${name} ${String(count)}`)
    .join(', ');
  if (violations.length === 0) return `chaos: seed ${String(seed)} held; ${numbers}`;
  const [first] = violations;
  return [
    `chaos: seed ${String(seed)} broke the rule "${first?.rule ?? ''}"; ${numbers}`,
    '',
    'What happened around the first violation (seconds since the start):',
    ...timeline,
    '',
    `Violations (${String(violations.length)}):`,
    ...violations
      .slice(0, SHOWN)
      .map(({ rule, atMs, text }) => `${(atMs / 1000).toFixed(2).padStart(8)}  ${rule}: ${text}`),
    '',
    'The same schedule again (processes race, so what meets what may differ):',
    `  npm run test:chaos -- --seconds ${String(seconds)} --seed ${String(seed)}`,
  ].join('\n');
}
