import { describeFaults } from './fault-cases.ts';

describeFaults(15);
