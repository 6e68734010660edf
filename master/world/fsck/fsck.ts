// The check of everything a master keeps, without a master: the ledger's truths, every log and artifact that a row
// names, and files that none names. What is found is told with what a repair would do; a repair does just that.
import {findingText} from '../findings.ts'
import type {Kept} from '../kept.ts'
import type {StoredLog} from '../logs.ts'
import {nothingGiven, readFindings} from '../store/checks.ts'
import type {Sql} from '../store/store.ts'
import {checkArtifact, checkLog, type GoodPart} from './contents.ts'
import {mends} from './ledger.ts'
import {
  removeUnfinished,
  setAside,
  setLogAside,
  strayArtifacts,
  strayLogs,
  unfinishedBackups,
  type Stray,
} from './stray.ts'

export interface Problem {
  readonly about: 'ledger' | 'log' | 'artifact' | 'file'
  /** The row's or file's name. */
  readonly name: string
  readonly text: string
  /** What a repair does; null when it is left to a person. */
  readonly repair: string | null
  readonly mend: (() => Promise<unknown>) | null
}

export interface Checked {
  readonly logs: number
  readonly artifacts: number
  readonly problems: readonly Problem[]
}

interface Ground extends Omit<Kept, 'close'> {
  readonly stateDir: string
  /** No master runs. */
  readonly isAtRest: boolean
}

/** Looks at everything; `progress` hears how far it is. */
export async function check(ground: Ground, progress: (text: string) => void): Promise<Checked> {
  const problems = await ledgerProblems(ground)
  const logs = await eachLog(ground, problems, progress)
  const artifacts = await eachArtifact(ground, problems, progress)
  progress('looking for files that no row names')
  for (const strays of [
    strayLogs(ground.store, ground.stateDir),
    strayArtifacts(ground.store, ground.stateDir, ground.isAtRest),
    ...(ground.isAtRest ? [unfinishedBackups(ground.stateDir)] : []),
  ])
    for await (const stray of strays) problems.push(strayProblem(ground, stray))
  return {logs, artifacts, problems}
}

/** One mend may bring another truth to light: so often the ledger is looked at again. */
const roundsMax = 5
/** More bad files than this share of all look like the wrong directory, not like damage. */
const shareMax = 0.5
const fewFiles = 3

/** Why files must not be repaired: so much is missing that the state directory is more likely the wrong one. */
export function suspicion({logs, artifacts, problems}: Checked): string | null {
  const bad = problems.filter(({about}) => about === 'log' || about === 'artifact').length
  if (bad < fewFiles || bad <= (logs + artifacts) * shareMax) return null
  return `${String(bad)} of ${String(logs + artifacts)} logs and artifacts cannot be read: is this the right state directory, and is it mounted? Nothing was changed`
}

/** Mends what can be mended of what was found, in its order, and the ledger until nothing more comes to light. */
export async function repair(
  ground: Ground,
  {problems}: Checked,
  done: (problem: Problem) => void,
): Promise<void> {
  let left: readonly Problem[] = problems
  for (let round = 0; round < roundsMax; round++) {
    const now = left.filter(({mend}) => mend !== null)
    if (now.length === 0) return
    for (const problem of now) {
      await problem.mend?.()
      done(problem)
    }
    left = await ledgerProblems(ground)
  }
}

async function ledgerProblems({store, isAtRest}: Ground): Promise<Problem[]> {
  // Without its configuration a ledger's life cannot be judged, and of one at rest there is none.
  const findings = await readFindings(store, 'truth', nothingGiven)
  return findings.map((finding) => {
    const mend = mends[finding.check]
    return {
      about: 'ledger',
      name: `${finding.check} ${finding.row}`,
      text: findingText(finding),
      repair: mend?.says ?? null,
      mend: mend && isAtRest ? () => store.transaction((tx) => mend.run(tx, [finding.row])) : null,
    }
  })
}

const pageRows = 500

async function eachLog(
  ground: Ground,
  problems: Problem[],
  progress: (text: string) => void,
): Promise<number> {
  let seen = 0
  for (let after = '0'; ;) {
    const page = await logsAfter(ground.store, after)
    for (const log of page) {
      const {fault, good} = await checkLog(ground.logs, log)
      if (fault !== null && (await isStill(ground.store, log)))
        problems.push(logProblem(ground, log, fault, good))
      if (++seen % 50 === 0) progress(`${String(seen)} logs are read`)
    }
    after = page.at(-1)?.id ?? after
    if (page.length < pageRows) return seen
  }
}

type LogRow = StoredLog & {readonly id: string}

const logsAfter = (sql: Sql, after: string): Promise<LogRow[]> =>
  sql.query<LogRow>(
    `SELECT id, attempt, step, name, bytes::float8 AS bytes, lines::float8 AS lines, segments,
            stored_bytes::float8 AS "storedBytes", crc32::float8 AS crc32, complete
     FROM logs WHERE id > $1 AND NOT deleted ORDER BY id LIMIT $2`,
    [after, pageRows],
  )

/** Masters that run may have removed it meanwhile. */
async function isStill(sql: Sql, log: LogRow): Promise<boolean> {
  return (await sql.query('SELECT 1 FROM logs WHERE id = $1 AND NOT deleted', [log.id])).length > 0
}

function logProblem({store, stateDir}: Ground, log: LogRow, fault: string, good: GoodPart): Problem {
  const isGone = good.segments === 0
  return {
    about: 'log',
    name: log.id,
    text: `log ${log.id} (attempt ${log.attempt}, step ${String(log.step)}): ${fault}; ${String(good.bytes)} of its ${String(log.bytes)} bytes are good`,
    repair: isGone
      ? 'note that it is gone, and set what is there aside'
      : `keep its ${String(good.bytes)} good bytes`,
    async mend() {
      if (isGone) {
        await setLogAside(stateDir, log)
        await store.query('UPDATE logs SET deleted = true WHERE id = $1', [log.id])
      } else
        await store.query(
          'UPDATE logs SET segments = $2, bytes = $3, lines = $4, stored_bytes = $5, crc32 = $6 WHERE id = $1',
          [log.id, good.segments, good.bytes, good.lines, good.storedBytes, good.crc32],
        )
    },
  }
}

async function eachArtifact(
  ground: Ground,
  problems: Problem[],
  progress: (text: string) => void,
): Promise<number> {
  let seen = 0
  for (let after = ''; ;) {
    const page = await ground.store.query<{sha256: string; bytes: number}>(
      `SELECT sha256, max(bytes)::float8 AS bytes FROM artifacts WHERE sha256 > $1 AND NOT deleted
       GROUP BY sha256 ORDER BY sha256 LIMIT $2`,
      [after, pageRows],
    )
    for (const {sha256, bytes} of page) {
      const fault = await checkArtifact(ground.artifacts, sha256, bytes)
      if (fault !== null) problems.push(artifactProblem(ground, sha256, fault))
      progress(`${String(++seen)} artifacts are read`)
    }
    after = page.at(-1)?.sha256 ?? after
    if (page.length < pageRows) return seen
  }
}

function artifactProblem({store, artifacts, stateDir}: Ground, sha256: string, fault: string): Problem {
  return {
    about: 'artifact',
    name: sha256,
    text: `artifact ${sha256}: ${fault}`,
    repair: 'note that it is gone, and set what is there aside',
    async mend() {
      if ((await artifacts.size(sha256)) !== null)
        await setAside(stateDir, `artifacts/${sha256.slice(0, 2)}/${sha256}`)
      await store.query('UPDATE artifacts SET deleted = true WHERE sha256 = $1', [sha256])
    },
  }
}

const strayProblem = ({stateDir}: Ground, {file, kind}: Stray): Problem =>
  kind === 'stray'
    ? {
        about: 'file',
        name: file,
        text: `${file} is named by no row`,
        repair: 'move it into lost+found',
        mend: () => setAside(stateDir, file),
      }
    : {
        about: 'file',
        name: file,
        text: `${file} was begun and never finished`,
        repair: 'remove it',
        mend: () => removeUnfinished(stateDir, file),
      }
