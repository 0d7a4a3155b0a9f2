/** `npm run generate`: writes every generated file of the repository. CI runs it and fails on a difference. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeConfigFiles } from '../src/config/generate.ts';
import { loadAllDetectors } from '../src/watch.ts';
import { detectorsReadme } from './detectors-readme.ts';
import { withIamPolicy } from './iam-readme.ts';
import { runbook } from './runbook/generate.ts';
import { withSignals } from './signals-readme.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const detectors = await loadAllDetectors([]);
writeConfigFiles(root, detectors);
writeFileSync(join(root, 'detectors/README.md'), detectorsReadme(detectors));
writeFileSync(join(root, 'detectors/RUNBOOK.md'), runbook(detectors));
const configReadme = join(root, 'config/README.md');
writeFileSync(configReadme, withSignals(withIamPolicy(readFileSync(configReadme, 'utf8'))));
