import { type Fault, injecting, waitForRow } from './fault.ts';

/** The server is restarted: something to be noticed beside a finding, and no finding by itself. */
export function restart(): Fault {
  return {
    name: 'restart',
    title: 'the server is restarted',
    inject: (world) =>
      injecting(world, async () => {
        const { primary } = world;
        const before = primary.pid;
        await primary.restart('fast');
        await waitForRow('the server to be back', primary, 'SELECT true AS ok');
        return { pidBefore: before, pidAfter: primary.pid };
      }),
  };
}

/** Somebody changes a setting of the running server. */
export function settingChanged(): Fault {
  return {
    name: 'setting-changed',
    title: 'work_mem is changed from 4MB to 8MB',
    inject: (world) =>
      injecting(world, async (undo) => {
        const { primary } = world;
        // Seen from a session that has read the file again: ours does so a moment after the postmaster.
        const visible = (value: string): Promise<boolean> =>
          waitForRow(`work_mem to be ${value}`, primary, "SELECT current_setting('work_mem') = $1 AS ok", [value]);
        undo.defer(async () => {
          await primary.admin('ALTER SYSTEM RESET work_mem');
          await primary.admin('SELECT pg_reload_conf()');
          await visible('4MB');
        });
        await primary.admin("ALTER SYSTEM SET work_mem = '8MB'");
        await primary.admin('SELECT pg_reload_conf()');
        await visible('8MB');
        return { setting: 'work_mem', before: '4MB', after: '8MB' };
      }),
  };
}
