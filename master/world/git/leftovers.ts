// What a run of git started and left behind: stopped, git ends at once, but its transport, which waits for the server, does not.
import {readdir, readFile} from 'node:fs/promises'

/** The variable by which the processes of a run know it; each run has a value of its own. */
export const markName = 'OSTLER_GIT_RUN'

/** Kills every process that carries the mark. */
export async function killMarked(mark: string): Promise<void> {
  const wanted = `${markName}=${mark}\0`
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    // Its environment cannot be read when it has ended, or is somebody else's.
    const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '')
    if (!`${environment}\0`.includes(wanted)) continue
    try {
      process.kill(Number(name), 'SIGKILL')
    } catch {
      // it has ended meanwhile
    }
  }
}
