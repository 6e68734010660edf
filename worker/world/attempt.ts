// An attempt as the worker holds it: its directory, its plan, its journal and where the build stands by it.
//
//   plan.json   plan, secrets, workspace (0600)        journal     see spool.ts
//   supervisor  the number of its supervisor on the host, when it has one
//   N.T.*       the files of step N, try T, on the host; those of a container's steps lie in box/, all it sees of this
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {maskOf, type Mask} from '../core/mask.ts'
import {fold, initial, type BuildState, type Wishes} from '../core/sequence.ts'
import type {Entry} from '../protocol/journal.ts'
import {planShape, type Plan} from '../protocol/plan.ts'
import {Journal, type Kept, type Mark} from './spool.ts'

/** Where the log of the newest step stands. */
export interface LogStand {
  readonly step: number
  readonly bytes: number
  readonly mark: Mark
  /** Nothing was written since the try began. */
  readonly isFresh: boolean
  /** Its totals are in the journal. */
  readonly isOver: boolean
}

export interface Assignment {
  readonly fence: string
  readonly plan: Plan
  readonly secrets: Readonly<Record<string, string>>
  readonly workspace: string
}

export class Attempt {
  readonly fence: string
  readonly dir: string
  readonly plan: Plan
  readonly secrets: Readonly<Record<string, string>>
  readonly workspace: string
  readonly mask: Mask
  readonly journal: Journal
  /** Artifacts that the journal holds already, as `step path`. */
  readonly kept = new Set<string>()
  state: BuildState
  wishes: Wishes = {cancel: null}
  cancelledAt: number | null = null
  log: LogStand | null = null
  /** Fires when the attempt is not ours any more, or the worker ends: what runs is to be ended without a word. */
  readonly dropped = new AbortController()
  onRecord: () => void = () => undefined
  onWish: () => void = () => undefined

  private constructor(dir: string, {fence, plan, secrets, workspace}: Assignment, makeRoom: () => boolean) {
    this.dir = dir
    this.fence = fence
    this.plan = plan
    this.secrets = secrets
    this.workspace = workspace
    this.mask = maskOf(Object.values(secrets))
    this.state = initial(plan)
    const {journal, kept} = Journal.open(join(dir, 'journal'), fence, makeRoom)
    this.journal = journal
    for (const record of kept) this.absorb(record)
  }

  /** Takes on an attempt: its plan is on disk when this returns. */
  static take(attemptsDir: string, assignment: Assignment, makeRoom: () => boolean): Attempt {
    const dir = join(attemptsDir, assignment.fence)
    mkdirSync(dir, {recursive: true, mode: 0o700})
    if (assignment.plan.container) mkdirSync(join(dir, 'box'), {mode: 0o777})
    writeFileSync(join(dir, 'plan.json'), JSON.stringify(assignment), {mode: 0o600})
    return new Attempt(dir, assignment, makeRoom)
  }

  /** Finds an attempt again after a restart; null when its directory holds no whole plan, so that it was never accepted. */
  static find(attemptsDir: string, fence: string, makeRoom: () => boolean): Attempt | null {
    const dir = join(attemptsDir, fence)
    try {
      const stored = JSON.parse(readFileSync(join(dir, 'plan.json'), 'utf8')) as Assignment
      return new Attempt(dir, {...stored, fence, plan: planShape.parse(stored.plan)}, makeRoom)
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  }

  /** Writes an entry and moves on by it. */
  record(entry: Entry, body: Uint8Array | null = null, mark: Mark | null = null): void {
    this.journal.append(entry, body, mark)
    this.absorb({seq: this.journal.last, entry, mark})
    this.onRecord()
  }

  cancel(reason: string): void {
    this.cancelledAt ??= Date.now()
    this.wishes = {cancel: reason}
    this.onWish()
  }

  get supervisor(): number | null {
    const path = join(this.dir, 'supervisor')
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : null
  }

  set supervisor(number: number) {
    writeFileSync(join(this.dir, 'supervisor'), String(number))
  }

  /** Forgets everything. */
  async remove(): Promise<void> {
    this.journal.close()
    await rm(this.dir, {recursive: true, force: true})
  }

  private absorb({entry, mark}: Kept): void {
    this.state = fold(this.plan, this.state, entry)
    if (entry.entry === 'stepStarted') {
      const same = this.log?.step === entry.step ? this.log : null
      const counted = same ? {lines: same.mark.lines, crc32: same.mark.crc32} : {lines: 0, crc32: 0}
      const start: Mark = {...counted, part: 'out', at: 0, warnings: 0, line: ''}
      this.log = {step: entry.step, bytes: same?.bytes ?? 0, mark: start, isFresh: true, isOver: false}
    }
    if (entry.entry === 'segment' && mark)
      this.log = {step: entry.step, bytes: entry.offset + entry.bytes, mark, isFresh: false, isOver: false}
    if (entry.entry === 'logEnded' && this.log) this.log = {...this.log, isOver: true}
    if (entry.entry === 'artifactKept') this.kept.add(`${entry.step} ${entry.path}`)
  }
}
