// The promises, each a function that tells what breaks it. They look at what is committed and at what the hosts truly
// ran, never at what the code under test believes.
import {constants, inflateRawSync} from 'node:zlib'
import type {Clockwork, Node} from './clockwork.ts'
import type {Host, Process} from './host.ts'
import type {LogShelf} from './logs.ts'
import type {AttemptRow, BuildRow, LogRow, RequestRow, StepRow} from './model/rows.ts'
import type {Change, TableName, Tables} from './model/tables.ts'

/** A promise that was broken. */
export class Broken extends Error {
  readonly promise: string
  constructor(promise: string, text: string) {
    super(text)
    this.promise = promise
  }
}

export interface Truth {
  readonly clock: Clockwork
  readonly tables: Tables
  readonly shelf: LogShelf
  readonly hosts: ReadonlyMap<string, Host>
}

const headerBytes = 10
const isOpen = ({state}: AttemptRow) => state === 'offered' || state === 'running'
const changesOf = <T extends TableName>(changes: readonly Change[], table: T) =>
  changes.filter((change) => change.table === table) as unknown as Change<T>[]

export class Promises {
  private readonly truth: Truth
  private readonly finished = new Map<string, string>()
  private readonly told = new Set<string>()
  private readonly numbers = new Set<string>()
  private readonly texts = new Map<string, string>()
  private accepted = 0

  constructor(truth: Truth) {
    this.truth = truth
    truth.shelf.onWrite = (key, at, bytes) => this.committedBytesStay(key, at, bytes)
  }

  /** All that must hold after every commit. */
  afterCommit(changes: readonly Change[]): void {
    this.requestsStay(changes)
    this.resultsStay(changes)
    this.onlyTheEffectiveCounts(changes)
    this.endsAreToldOnce(changes)
    this.buildsetsEndLast(changes)
    this.logsAreWhatWasPrinted(changes)
    this.resultsAreTrue(changes)
    this.everythingHasAnOwner(changes)
  }

  /** I1: no accepted request vanishes. */
  private requestsStay(changes: readonly Change[]): void {
    this.accepted += changesOf(changes, 'requests').filter(({before}) => before === null).length
    const now = [...this.truth.tables.all('requests')].length
    if (now !== this.accepted)
      throw new Broken('I1 no accepted request vanishes', `${this.accepted} were accepted, ${now} are there`)
  }

  /** I7: a terminal result never changes, and an attempt that is over stays so. */
  private resultsStay(changes: readonly Change[]): void {
    const say = (text: string) => {
      throw new Broken('I7 a terminal result never changes', text)
    }
    for (const {before, after} of [...changesOf(changes, 'builds'), ...changesOf(changes, 'requests')])
      if (before?.state === 'finished' && (after?.state !== 'finished' || after.result !== before.result))
        say(`${JSON.stringify(before)} became ${JSON.stringify(after)}`)
    for (const {before, after} of changesOf(changes, 'buildsets'))
      if (
        before?.completedAt &&
        (after?.completedAt !== before.completedAt || after.result !== before.result)
      )
        say(`buildset ${before.id}: ${String(before.result)} became ${String(after?.result)}`)
    for (const {before, after} of changesOf(changes, 'attempts'))
      if (before && after && !isOpen(before) && after.state !== before.state)
        say(`attempt ${before.id} was ${before.state} and is ${after.state}`)
  }

  /** I2: only entries of the build's effective attempt are applied, in order, and only while the build is open. */
  private onlyTheEffectiveCounts(changes: readonly Change[]): void {
    const builds = new Map(changesOf(changes, 'builds').map((change) => [change.id, change.before]))
    const before = (id: string): BuildRow | null | undefined =>
      builds.has(id) ? builds.get(id) : this.truth.tables.get('builds', id)
    const mustBeEffective = (build: string, attempt: string, what: string) => {
      const row = before(build)
      if (row?.attempt !== attempt || row.state === 'finished')
        throw new Broken(
          'I2 only the effective attempt has effects',
          `${what} of attempt ${attempt}, while build ${build} was ${String(row?.state)} by attempt ${String(row?.attempt)}`,
        )
    }
    for (const {after} of changesOf(changes, 'steps'))
      if (after) mustBeEffective(after.build, after.attempt, 'a step')
    for (const {after} of changesOf(changes, 'artifacts'))
      if (after) mustBeEffective(after.build, after.attempt, 'an artifact')
    for (const {before: was, after} of changesOf(changes, 'logs'))
      if (after && after.bytes !== (was?.bytes ?? 0)) mustBeEffective(after.build, after.attempt, 'log bytes')
    for (const {before: was, after} of changesOf(changes, 'attempts')) {
      if (!was || !after || after.applied === was.applied) continue
      mustBeEffective(after.build, after.id, 'entries')
      if (after.applied < was.applied)
        throw new Broken(
          'I2 entries are applied in order',
          `attempt ${after.id} went back to ${after.applied}`,
        )
    }
  }

  /** The event log: each build has exactly one end, told in the commit that ends it, and its own number. */
  private endsAreToldOnce(changes: readonly Change[]): void {
    const say = (text: string) => {
      throw new Broken('each build has one end', text)
    }
    const told = changesOf(changes, 'events').flatMap(({after}) =>
      after?.type === 'build.finished' ? [(after.data as {build: string}).build] : [],
    )
    for (const build of told) {
      if (this.told.has(build)) say(`the end of build ${build} is told twice`)
      this.told.add(build)
    }
    for (const {before, after} of changesOf(changes, 'builds')) {
      if (after?.state === 'finished' && before?.state !== 'finished' && !told.includes(after.id))
        say(`build ${after.id} ended without a word`)
      if (before === null && after) {
        const number = `${after.builder} ${after.number}`
        if (this.numbers.has(number)) say(`there are two builds ${number}`)
        this.numbers.add(number)
      }
    }
    for (const build of told)
      if (this.truth.tables.get('builds', build)?.state !== 'finished')
        say(`the end of build ${build} is told, and it goes on`)
  }

  /** A buildset ends when, and only when, all its requests have. */
  private buildsetsEndLast(changes: readonly Change[]): void {
    const touched = new Set(changesOf(changes, 'requests').map(({after}) => after?.buildset ?? ''))
    for (const {after} of changesOf(changes, 'buildsets')) if (after) touched.add(after.id)
    if (touched.size === 0) return
    const requests = [...this.truth.tables.all('requests')]
    for (const id of touched) {
      const buildset = this.truth.tables.get('buildsets', id)
      const open = requests.filter((request) => request.buildset === id && request.state !== 'finished')
      if ((buildset?.completedAt !== null) === (open.length === 0)) continue
      throw new Broken(
        'a buildset ends with its last request',
        `buildset ${id} ended: ${String(buildset?.result)}, open requests: ${open.length}`,
      )
    }
  }

  /** I3: what is stored of a log is the beginning of what its step printed, and all of it once the step has ended. */
  private logsAreWhatWasPrinted(changes: readonly Change[]): void {
    for (const {before, after} of changesOf(changes, 'logs')) if (after) this.logGrew(before, after)
    for (const {before, after} of changesOf(changes, 'steps')) {
      if (after?.state !== 'finished' || before?.state === 'finished') continue
      if (!['success', 'failure', 'warnings', 'cancelled'].includes(after.result ?? '')) continue
      const stored = ownLines(this.texts.get(`${after.attempt}/${after.number}/stdio`) ?? '')
      const printed = this.printedBy(after.attempt, after.number)
      if (stored !== printed)
        throw new Broken(
          'I3 a log is all that was printed',
          `step ${after.number} of attempt ${after.attempt} ended with ${stored.length} bytes stored of ${printed.length}`,
        )
    }
  }

  private logGrew(before: LogRow | null, after: LogRow): void {
    const say = (text: string) => {
      throw new Broken('I3 no log byte is lost or doubled', `log ${after.id}: ${text}`)
    }
    const from = before?.storedBytes ?? 0
    if (after.storedBytes < from) say(`${after.storedBytes} bytes after ${from}`)
    const file = this.truth.shelf.files.get(after.id) ?? Buffer.alloc(0)
    if (file.length < after.storedBytes)
      say(`${after.storedBytes} bytes are committed, ${file.length} written`)
    const body = file.subarray(from === 0 ? headerBytes : from, after.storedBytes)
    const text = (this.texts.get(after.id) ?? '') + inflated(body, say)
    this.texts.set(after.id, text)
    if (Buffer.byteLength(text) !== after.bytes)
      say(`${after.bytes} bytes are counted, ${Buffer.byteLength(text)} stored`)
    const printed = this.printedBy(after.attempt, after.step)
    if (!printed.startsWith(ownLines(text)))
      say(
        `stored ${JSON.stringify(ownLines(text).slice(-200))}, printed ${JSON.stringify(printed.slice(-200))}`,
      )
  }

  /** I3: bytes that are committed are never written over by others. */
  private committedBytesStay(key: string, at: number, bytes: Buffer): void {
    const committed = this.truth.tables.get('logs', key)?.storedBytes ?? 0
    if (at >= committed) return
    const file = this.truth.shelf.files.get(key) ?? Buffer.alloc(0)
    const end = Math.min(committed, at + bytes.length)
    if (file.subarray(at, end).equals(bytes.subarray(0, end - at))) return
    throw new Broken('I3 committed log bytes stay', `log ${key} is written over from ${at}, ${committed} are committed`)
  } // prettier-ignore

  /** What a build is said to have come to is what its effective attempt's processes truly came to. */
  private resultsAreTrue(changes: readonly Change[]): void {
    for (const {before, after} of changesOf(changes, 'builds')) {
      if (after?.state !== 'finished' || before?.state === 'finished') continue
      if (!['success', 'failure', 'warnings'].includes(after.result ?? '')) continue
      const attempt = this.truth.tables.get('attempts', after.attempt ?? '')
      if (!attempt) throw new Broken('results are true', `build ${after.id} ended without an attempt`)
      const living = this.hostOf(attempt).living(attempt.id)
      if (living.length > 0)
        throw new Broken('results are true', `build ${after.id} ended, and its step lives`)
      for (const at of attempt.plan.steps.keys()) {
        const step = this.truth.tables.get('steps', `${after.id}/${attempt.id}/${at}`)
        if (step?.state !== 'finished')
          throw new Broken('results are true', `build ${after.id} ended without an end of its step ${at}`)
        this.stepIsTrue(attempt, step)
      }
    }
  }

  private stepIsTrue(attempt: AttemptRow, step: StepRow): void {
    const say = (text: string) => {
      throw new Broken('results are true', `step ${step.number} of attempt ${attempt.id} is ${String(step.result)}: ${text}`)
    } // prettier-ignore
    const tries = this.triesOf(attempt.id, step.number)
    const last = tries.at(-1)
    if (step.result === 'skipped' && tries.length > 0) say('it ran')
    if (step.result === 'success' && (last?.code !== 0 || last.killedAt !== null || last.isGone))
      say(`it ended as ${JSON.stringify(last)}`)
    if (step.result === 'failure' && (!last || last.isLeft || last.isGone))
      say(`it ended as ${JSON.stringify(last)}`)
    if (step.result === 'failure' && last?.killedAt === null && last.code === 0 && last.ending === null)
      say('it went well')
  }

  /** I6: every request that is not finished waits in the queue or has a build with an owner. */
  private everythingHasAnOwner(changes: readonly Change[]): void {
    if (!changes.some(({table}) => table === 'requests' || table === 'builds' || table === 'attempts')) return
    const builds = [...this.truth.tables.all('builds')].filter(({state}) => state !== 'finished')
    for (const request of this.truth.tables.all('requests')) this.requestHasAnOwner(request, builds)
    for (const attempt of this.truth.tables.all('attempts')) {
      const build = this.truth.tables.get('builds', attempt.build)
      if (isOpen(attempt) && (build?.attempt !== attempt.id || build.state === 'finished'))
        throw new Broken('I6 no zombie', `attempt ${attempt.id} is ${attempt.state}, its build is another's`)
    }
  }

  private requestHasAnOwner(request: RequestRow, open: readonly BuildRow[]): void {
    const say = (text: string) => {
      throw new Broken('I6 no zombie', `request ${request.id} is ${request.state}: ${text}`)
    }
    const own = open.filter((build) => build.request === request.id)
    if (own.length > 1) say(`it has ${own.length} open builds`)
    const [build] = own
    const attempt = build?.attempt ? this.truth.tables.get('attempts', build.attempt) : undefined
    if (request.state === 'finished' && build) say(`its build ${build.id} is open`)
    if (request.state === 'pending' && build && build.attempt !== null)
      say(`its build ${build.id} has attempt ${build.attempt}`)
    if (request.state !== 'claimed') return
    if (!build) say('no build of it is open')
    if (!attempt || !isOpen(attempt)) say(`attempt ${String(build?.attempt)} is ${String(attempt?.state)}`)
  }

  /** What a master acknowledges is committed. */
  acknowledgedIsCommitted(node: Node, data: string | Buffer | Uint8Array): void {
    if (typeof data !== 'string' || !data.startsWith('{"say":"applied"')) return
    const {attempt, upTo} = JSON.parse(data) as {attempt: string; upTo: number}
    const applied = this.truth.tables.get('attempts', attempt)?.applied ?? 0
    if (upTo > applied)
      throw new Broken(
        'an acknowledgement follows its commit',
        `${node.name} acknowledges ${upTo} of attempt ${attempt}, ${applied} are committed`,
      )
  }

  /** At the end of the storm: everything has finished, who waits says why, and nothing is left behind. */
  unfinished(isWaitingAllowed: (builder: string) => boolean): string | null {
    const {tables, hosts} = this.truth
    for (const request of tables.all('requests')) {
      if (request.state === 'finished') continue
      if (request.state === 'pending' && isWaitingAllowed(request.builder)) {
        if (request.waiting.length > 0 && request.waiting.every(({text}) => text !== '')) continue
        return `request ${request.id} waits without a reason`
      }
      return `request ${request.id} of ${request.builder} is ${request.state}: ${JSON.stringify(request)}`
    }
    for (const host of hosts.values())
      for (const process of host.living())
        return `${host.name} still runs step ${process.step} of attempt ${process.attempt}`
    return null
  }

  private hostOf(attempt: AttemptRow): Host {
    return this.truth.hosts.get(attempt.worker) as Host
  }

  private triesOf(attempt: string, step: number): Process[] {
    const row = this.truth.tables.get('attempts', attempt)
    if (!row) return []
    return [...this.hostOf(row).processes.values()]
      .filter((process) => process.attempt === attempt && process.step === step)
      .sort((a, b) => a.try - b.try)
  }

  private printedBy(attempt: string, step: number): string {
    const row = this.truth.tables.get('attempts', attempt)
    return row ? this.triesOf(attempt, step).map((process) => this.hostOf(row).printed(process)).join('') : ''
  } // prettier-ignore
}

function inflated(body: Buffer, say: (text: string) => void): string {
  if (body.length === 0) return ''
  try {
    return inflateRawSync(body, {finishFlush: constants.Z_SYNC_FLUSH}).toString()
  } catch (error) {
    say(`its bytes do not inflate: ${(error as Error).message}`)
    return ''
  }
}

/** A log without the lines that the worker itself says in it. */

const ownLines = (text: string) => text.replaceAll(/\u001b\[2m.*?\u001b\[0m\n/gs, '')
