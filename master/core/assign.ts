// Which waiting request goes to which worker now, and why each of the others waits. The queue's order is priority,
// then age; a request that cannot run yet never holds up one behind it that can.
import type {Builder} from '../../config/config.ts'

export interface PendingRequest {
  readonly id: string
  readonly builder: string
  /** Milliseconds since 1970. */
  readonly submittedAt: number
  readonly notBefore: number | null
  /** What is stored as its reasons, so that only news is written. */
  readonly waiting: readonly Wait[]
  /** It has a build already, whose attempt was lost or declined. */
  readonly isBegun: boolean
  /** The branch and repositories it is of, to tell requests that may be merged. */
  readonly stampKey: string
}

/** A person's hold on a worker or builder. */
export interface Hold {
  readonly by: string
  readonly reason: string
  /** When it ends by itself, as the API writes times. */
  readonly until?: string | null
}

/** A worker kept away from work for a while, since it failed again and again. */
export interface Quarantine {
  readonly reason: string
  readonly until: string
}

/** After how many failures in a row a worker is kept away, for how long at first, and at most: it doubles each time. */
export const quarantineRule = {after: 3, firstMs: 60_000, mostMs: 3_600_000}

/** A worker whose clock is further off than this gets no work, in milliseconds: its times would mislead people. */
export const skewMostMs = 60_000

export interface WorkerState {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly maxBuilds: number
  readonly running: number
  readonly engine: string | null
  readonly connected: boolean
  /** Its session is with this master, which alone may offer it work. */
  readonly here: boolean
  readonly paused: Hold | null
  readonly draining: Hold | null
  readonly quarantine: Quarantine | null
  /** How far its clock is ahead of the master's, in milliseconds. */
  readonly skewMs: number
  readonly freeBytes: number | null
  /** Its own limit of free disk, in bytes; null for one that told none. */
  readonly minFreeBytes: number | null
  /** Why it wants no new builds now, in its own words; null when it does. */
  readonly hindered: string | null
}

export interface Scene {
  /** In the order of the queue. */
  readonly requests: readonly PendingRequest[]
  readonly builders: ReadonlyMap<string, {readonly builder: Builder; readonly paused: Hold | null}>
  readonly workers: readonly WorkerState[]
  /** Why this master starts no new builds now; null when it does. */
  readonly hindrance: string | null
  readonly now: number
}

/** Why a request waits: a code for programs, a sentence for people. */
export interface Wait {
  readonly code: string
  readonly text: string
}

export interface Assignment {
  readonly request: string
  readonly worker: string
}

export interface Assigned {
  readonly assignments: readonly Assignment[]
  readonly waiting: ReadonlyMap<string, readonly Wait[]>
  /** Requests that a newer one of the same builder and branch takes the place of: old to new. */
  readonly collapsed: ReadonlyMap<string, string>
}

/** A worker with less free disk than this gets no work, in bytes, unless it told a limit of its own. */
export const freeBytesFloor = 256 * 1024 * 1024

export function assign(scene: Scene): Assigned {
  const collapsed = collapse(scene)
  const running = new Map(scene.workers.map((worker) => [worker.name, worker.running]))
  const assignments: Assignment[] = []
  const waiting = new Map<string, readonly Wait[]>()
  for (const request of scene.requests) {
    if (collapsed.has(request.id)) continue
    const {worker, waits} = place(request, scene, running)
    if (worker) running.set(worker.name, (running.get(worker.name) ?? 0) + 1)
    if (worker && waits.length === 0) assignments.push({request: request.id, worker: worker.name})
    else waiting.set(request.id, waits)
  }
  return {assignments, waiting, collapsed}
}

/** The worker whose room a request takes, if any, and why it must wait all the same; no reason starts it there. */
interface Placed {
  readonly worker: WorkerState | null
  readonly waits: readonly Wait[]
}

function place(request: PendingRequest, scene: Scene, running: ReadonlyMap<string, number>): Placed {
  const known = scene.builders.get(request.builder)
  if (!known) return waits('no-builder', `no builder ${request.builder} is configured any more`)
  if (known.paused) return waits('paused', `builder ${holdText(known.paused)}`)
  if (request.notBefore !== null && request.notBefore > scene.now)
    return waits('not-before', `tried again at ${clockText(request.notBefore)}`)
  const {fitting, lacks} = fit(known.builder, scene.workers)
  if (fitting.length === 0) return {worker: null, waits: lacks}
  const hindered = fitting.map((worker) => [worker, hindrance(worker, running)] as const)
  const free = hindered.filter(([, why]) => why === null).map(([worker]) => worker)
  const here = roomiest(
    free.filter((worker) => worker.here),
    running,
  )
  if (here && scene.hindrance !== null)
    return waits('master', `the master starts nothing new: ${scene.hindrance}`)
  if (here) return {worker: here, waits: []}
  // It is counted as taken, so that all masters give the requests behind it the same reasons.
  const elsewhere = roomiest(free, running)
  if (elsewhere) return {...waits('elsewhere', 'another master is about to start it'), worker: elsewhere}
  return {worker: null, waits: summarize(hindered.flatMap(([, why]) => why ?? []))}
}

const waits = (code: Wait['code'], text: string): Placed => ({worker: null, waits: [{code, text}]})

/** The one with the most room, null of none. */
const roomiest = (free: readonly WorkerState[], running: ReadonlyMap<string, number>): WorkerState | null =>
  [...free].sort((a, b) => room(b, running) - room(a, running) || (a.name < b.name ? -1 : 1))[0] ?? null

const room = (worker: WorkerState, running: ReadonlyMap<string, number>) =>
  worker.maxBuilds - (running.get(worker.name) ?? 0)

/** Workers whose name, labels and engine suit the builder, or what they all lack. */
function fit(builder: Builder, workers: readonly WorkerState[]): {fitting: WorkerState[]; lacks: Wait[]} {
  const named = workers.filter(({name}) => builder.workers.length === 0 || builder.workers.includes(name))
  if (named.length === 0) {
    const text =
      builder.workers.length > 0
        ? `none of the workers ${builder.workers.join(', ')} has ever connected`
        : 'no worker has ever connected'
    return {fitting: [], lacks: [{code: 'no-worker', text}]}
  }
  const wanted = Object.entries(builder.requires)
  const labelled = named.filter((worker) => wanted.every(([key, value]) => worker.labels[key] === value))
  if (labelled.length === 0) {
    const text = `no worker has the labels ${wanted.map(([key, value]) => `${key}=${value}`).join(', ')}`
    return {fitting: [], lacks: [{code: 'label', text}]}
  }
  const able = labelled.filter((worker) => builder.container === null || worker.engine !== null)
  if (able.length === 0)
    return {fitting: [], lacks: [{code: 'engine', text: 'no fitting worker has a container engine'}]}
  return {fitting: able, lacks: []}
}

function hindrance(worker: WorkerState, running: ReadonlyMap<string, number>): Wait | null {
  if (!worker.connected) return {code: 'offline', text: `${worker.name} is not connected`}
  if (worker.paused) return {code: 'paused', text: `${worker.name} ${holdText(worker.paused)}`}
  if (worker.draining)
    return {code: 'draining', text: `${worker.name} is being drained by ${worker.draining.by}`}
  if (worker.quarantine)
    return {
      code: 'quarantine',
      text: `${worker.name} is kept away until ${worker.quarantine.until}: ${worker.quarantine.reason}`,
    }
  if (Math.abs(worker.skewMs) > skewMostMs)
    return {code: 'clock', text: `${worker.name}’s clock is ${skewText(worker.skewMs)}`}
  if (worker.freeBytes !== null && worker.freeBytes < (worker.minFreeBytes ?? freeBytesFloor))
    return {code: 'disk', text: `${worker.name} has too little free disk`}
  if (worker.hindered !== null)
    return {code: 'hindered', text: `${worker.name} takes nothing new: ${worker.hindered}`}
  if (room(worker, running) <= 0)
    return {code: 'busy', text: `${worker.name} is busy (${String(worker.maxBuilds)} at once)`}
  return null
}

const holdText = ({by, reason, until}: Hold) =>
  `paused by ${by}${until ? ` until ${until}` : ''}${reason === '' ? '' : `: ${reason}`}`

/** How a clock is off, in words. */
export const skewText = (skewMs: number): string =>
  `${String(Math.round(Math.abs(skewMs) / 1000))} s ${skewMs > 0 ? 'ahead' : 'behind'}`

/** At most three reasons by name, then how many more. */
function summarize(reasons: readonly Wait[]): readonly Wait[] {
  if (reasons.length <= 3) return reasons
  const more = reasons.length - 2
  return [
    ...reasons.slice(0, 2),
    {code: 'more', text: `and ${String(more)} more workers cannot take it either`},
  ]
}

const clockText = (time: number) => new Date(time).toISOString().slice(11, 19)

/** Older requests of a collapsing builder give way to the newest of the same branch; one that has begun goes on. */
function collapse(scene: Scene): Map<string, string> {
  const collapsed = new Map<string, string>()
  const newest = new Map<string, PendingRequest>()
  for (const request of scene.requests) {
    if (!scene.builders.get(request.builder)?.builder.collapseRequests) continue
    const key = `${request.builder}\n${request.stampKey}`
    const other = newest.get(key)
    const [older, newer] =
      other && BigInt(other.id) > BigInt(request.id) ? [request, other] : [other, request]
    newest.set(key, newer)
    if (older && !older.isBegun) collapsed.set(older.id, newer.id)
  }
  return collapsed
}
