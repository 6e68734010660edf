// The changes that schedulers hold, each with the reason: what the same pure functions say that hold them.
import type {ChangeSource, Scheduler, SingleBranch} from '../../../../config/config.ts'
import {mindsRed, redText, sift} from '../../../core/testfix.ts'
import {lastBuilds} from '../schedulers.ts'
import type {Sql} from '../store.ts'
import {iso} from './pages.ts'

/** What of the configuration the reasons follow from. */
export interface HeldAsk {
  readonly schedulers: readonly Scheduler[]
  readonly changeSources: readonly ChangeSource[]
}

interface HeldRow {
  readonly change: string
  readonly scheduler: string
  readonly branch: string
  readonly repository: string
  readonly revision: string
  readonly message: string
  readonly recorded_at: Date
}

export interface HeldView {
  change: string
  scheduler: string
  branch: string
  revision: string
  subject: string
  since: string
  code: 'red' | 'unstable'
  text: string
}

/** Every change that one of the schedulers holds, oldest first. */
export async function readHeld(sql: Sql, {schedulers, changeSources}: HeldAsk): Promise<HeldView[]> {
  const holding = schedulers.filter((one): one is SingleBranch => one.kind === 'singleBranch')
  if (holding.length === 0) return []
  const rows = await sql.query<HeldRow>(
    `SELECT c.id AS change, h.scheduler, c.branch, c.repository, c.revision, c.message, c.recorded_at
     FROM scheduler_changes h JOIN changes c ON c.id = h.change_id WHERE h.scheduler = ANY($1::text[]) ORDER BY c.id`,
    [holding.map(({name}) => name)],
  )
  const found: HeldView[] = []
  for (const scheduler of holding) {
    const own = rows.filter((row) => row.scheduler === scheduler.name)
    if (own.length === 0) continue
    const red = mindsRed(scheduler) ? await redBranches(sql, changeSources, scheduler, own) : []
    for (const {change, branch, revision, message, recorded_at} of own) {
      const because = red.find((one) => one.branch === branch)
      found.push({
        change,
        scheduler: scheduler.name,
        branch,
        revision,
        subject: (message.split('\n')[0] ?? '').slice(0, 200),
        since: iso(recorded_at),
        ...(because
          ? {code: 'red' as const, text: redText(scheduler, because)}
          : {code: 'unstable' as const, text: quietText(scheduler)}),
      })
    }
  }
  return found
}

async function redBranches(
  sql: Sql,
  sources: readonly ChangeSource[],
  scheduler: SingleBranch,
  held: readonly HeldRow[],
) {
  const landed = held.map((row) => ({...row, id: row.change, heldAtMs: row.recorded_at.getTime()}))
  // Which branches are red does not depend on the time.
  return sift(scheduler, landed, await lastBuilds(sql, sources, scheduler, held), 0).red
}

const quietText = ({treeStableTimerMs}: SingleBranch): string =>
  treeStableTimerMs === null
    ? 'it is about to be built'
    : `held until the branch was quiet for ${String(treeStableTimerMs / 1000)} s`
