/** The text of `detectors/README.md`: how to add a detector, and the list of those that are there. */

import type { AnyDetector } from '../src/sdk/detector.ts';

const GUIDE = `# Detectors

One detector is three files of one name: \`<id>.ts\` (what it watches, its rule, its hypotheses with their probes, its
mitigations), \`<id>.test.ts\` (data) and \`<id>.md\` (for people). The directory is the registry: adding one edits nothing
else. A contract test fails when the three disagree.

## Write one in ten minutes

1. Put \`my-detector.ts\` into a directory of your own and name the directory in the configuration:
   \`detectorsDir: /etc/runbookd/detectors\`. The file imports \`runbookd/sdk\` and nothing else.
2. Export \`detector = defineDetector({ … })\`: \`id\` is the file's name; \`signals\` are those that the rule reads; \`options\`
   begin with \`...lifecycleOptions({ … })\`; \`rule(context)\` is pure and answers \`judged\` with its symptoms, or
   \`no_data\`.
3. For each thing that can be wrong, write a hypothesis: a prior, and probes that ask a question (plain data) and judge
   its answer with \`supports\`, \`opposes\`, \`neutral\` or \`unknown\`. A weight is a log odds ratio: 1 weak, 2 good,
   3 strong, 5 settles it. Write evidence against as well as for: what rules a cause out is what on-call reads next.
4. Give each hypothesis its mitigations: command templates with typed \`{slots}\`. A slot whose value is unknown or not of
   its type withholds the command.
5. Test it with \`describeDetector\` from \`runbookd/testing\`: silent, firing, missing data, and for each hypothesis a
   case where it must come first.

\`npm start -- detectors <id>\` prints what was loaded.

## The detectors

`;

export function detectorsReadme(detectors: readonly AnyDetector[]): string {
  const rows = detectors.map((detector) => {
    const causes = [...new Set(detector.hypotheses.map((one) => one.cause))].join(', ');
    return `| [${detector.id}](${detector.id}.md) | ${detector.title} | ${detector.target} | ${causes} | ${detector.runbook} |`;
  });
  return `${GUIDE}${['| id | title | watches | causes | runbook |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')}\n`;
}
