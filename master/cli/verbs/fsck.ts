// `ostler fsck`: checks, and repairs, everything a master keeps, while none runs.
import {isatty} from 'node:tty'
import {check, repair, suspicion, type Checked, type Problem} from '../../world/fsck/fsck.ts'
import {openKept, type Kept} from '../../world/kept.ts'
import {chosenShelves} from '../../world/shelves.ts'
import {livingMasters} from '../../world/store/masters.ts'
import {Ending, exits} from '../exits.ts'
import {plain, plural, say, sayError, sayJson} from '../print.ts'
import type {Verb} from '../verb.ts'

interface Flags {
  readonly stateDir: string
  readonly repair?: boolean
  readonly json?: boolean
}

export const fsck: Verb = (program, end) =>
  program
    .command('fsck')
    .description(
      'check the database, the logs and the artifacts of a master that does not run; repair what can be',
    )
    .requiredOption('--state-dir <dir>', "the master's state directory")
    .option('--repair', 'do what is told of each problem; without it nothing is changed')
    .option('--dry-run', 'change nothing (the default)')
    .option('--json', 'write what was found as JSON')
    .addHelpText(
      'after',
      `
OSTLER_DATABASE_URL names the PostgreSQL server, OSTLER_FILES_DIR or OSTLER_OBJECT_STORE where logs and artifacts lie if not
in the state directory. A server may be checked, not repaired, while masters run. With the embedded
database the master must be stopped. A repair never destroys bytes that were once whole: files that nobody knows go to
STATE-DIR/lost+found.

Exit codes: 0 nothing is wrong (any more), 1 something is, 2 wrong usage, 3 a master runs, or nothing could be opened.`,
    )
    .action(async (flags: Flags) => {
      const kept = await openFor(flags)
      try {
        const living = kept.store.engine === 'embedded' ? [] : await livingMasters(kept.store)
        if (flags.repair && living.length > 0)
          throw new Ending(
            exits.away,
            `masters are at work (${living.join(', ')}): stop them before a repair`,
          )
        // Plain files that nobody knows are looked for where the plain files are.
        const stateDir = chosenShelves(flags.stateDir).filesDir ?? flags.stateDir
        const ground = {...kept, stateDir, isAtRest: living.length === 0}
        const checked = await check(ground, showProgress)
        showProgress('')
        if (!flags.json) for (const problem of checked.problems) tell(problem)
        const left = flags.repair ? await repaired(ground, checked, flags) : checked.problems
        summarise(checked, left, flags)
        if (left.length > 0) end(exits.failed)
      } finally {
        await kept.close()
      }
    })

async function openFor({stateDir}: Flags): Promise<Kept> {
  try {
    return await openKept({stateDir, url: process.env['OSTLER_DATABASE_URL'] || null}, sayError)
  } catch (error) {
    throw new Ending(exits.away, (error as Error).message)
  }
}

/** Repairs, and looks again: what is left then. */
async function repaired(
  ground: Parameters<typeof repair>[0],
  checked: Checked,
  flags: Flags,
): Promise<readonly Problem[]> {
  const why = suspicion(checked)
  if (why !== null) throw new Ending(exits.away, why)
  await repair(ground, checked, (problem) => {
    if (!flags.json) say(`done: ${problem.name}: ${problem.repair ?? ''}`)
  })
  const again = await check(ground, showProgress)
  showProgress('')
  return again.problems
}

const tell = ({text, repair: does}: Problem) =>
  say(`${plain(text)}\n  ${does === null ? 'left to you' : `a repair would ${does}`}`)

function summarise(
  {logs, artifacts, problems}: Checked,
  left: readonly Problem[],
  {json, repair: did}: Flags,
): void {
  const shown = (each: Problem) => ({
    about: each.about,
    name: each.name,
    text: each.text,
    repair: each.repair,
  })
  if (json) return sayJson({logs, artifacts, problems: problems.map(shown), left: left.map(shown)})
  const looked = `${plural(logs, 'log')} and ${plural(artifacts, 'artifact')} were read`
  if (problems.length === 0) return say(`nothing is wrong; ${looked}`)
  say(`${plural(problems.length, 'problem')}${did ? `, ${String(left.length)} left` : ''}; ${looked}`)
  if (did) for (const problem of left) tell(problem)
}

/** One line that is written over, where somebody watches. */
function showProgress(text: string): void {
  if (isatty(process.stderr.fd)) process.stderr.write(`\r\x1b[K${text}`)
}
