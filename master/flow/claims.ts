// Stage "claims": gives waiting requests to workers, and stores why the others wait.
import {assign} from '../core/assign.ts'
import type {Assigned, Assignment, PendingRequest, Wait} from '../core/assign.ts'
import {makePlan} from '../core/plan.ts'
import {lookPerBuilder} from '../world/store/requests.ts'
import type {Opened} from '../world/store/requests.ts'
import type {World} from '../world/world.ts'
import type {Plan} from '../../worker/protocol/plan.ts'
import type {Stage} from './river.ts'
import type {Sessions} from './sessions.ts'

/** How long a worker has to accept an offer, in milliseconds. */
const acceptMs = 30_000
const slowTickMs = 15_000
/** How often, in milliseconds, more of a queue is looked at than what can start: only to say why the rest waits. */
const wholeLookMs = 250

interface Opening {
  readonly attempt: string
  readonly worker: string
  readonly plan: Plan
}

export function claims(world: World, sessions: Sessions): Stage {
  let orphansAt = -Infinity
  let wholeAt = -Infinity
  return {
    name: 'claims',
    hears: ['claims', 'config'],
    slowTickMs,
    async run() {
      const whole = performance.now() - wholeAt >= wholeLookMs
      const seen = await look(world, sessions, whole)
      if (seen === null) return wholeLookMs
      if (whole) wholeAt = performance.now()
      const {requests, now, assigned, more} = seen
      const unsaid = news(requests, assigned)
      // What changes all the time is written down now and then; who waits without a reason gets one at once.
      const fresh = unexplained(requests)
      const said = whole ? unsaid : new Map([...unsaid].filter(([id]) => fresh.has(id)))
      await world.ledger.explain(world.store, said)
      if (assigned.collapsed.size > 0)
        await world.store.transaction((tx) =>
          world.ledger.collapseRequests(tx, [...assigned.collapsed.keys()]),
        )
      const opened = await open(world, assigned.assignments)
      await Promise.all(opened.map((opening) => offer(world, sessions, opening)))
      if (performance.now() - orphansAt > slowTickMs) {
        await world.ledger.explainOrphans(world.store, builderNames(world))
        orphansAt = performance.now()
      }
      const isDone = whole || (!more && said.size === unsaid.size)
      const again = nextLook(requests, assigned.assignments.length, now)
      return isDone ? again : Math.min(wholeLookMs, again ?? wholeLookMs)
    },
  }
}

const builderNames = (world: World) => world.settings().config.builders.map((builder) => builder.name)

interface Look {
  readonly requests: readonly PendingRequest[]
  /** By the database's clock, whatever this master's says. */
  readonly now: number
  readonly assigned: Assigned
  /** Whether a queue was not looked at as far as it may be. */
  readonly more: boolean
}

/** Null when no worker of this master has room: then the queue is looked at only now and then, for the reasons. */
async function look(world: World, sessions: Sessions, whole: boolean): Promise<Look | null> {
  const {builders: configured} = world.settings().config
  const workers = await world.ledger.workerStates(world.store, world.master, sessions.here)
  const room = workers
    .filter(({here}) => here)
    .reduce((sum, worker) => sum + Math.max(0, worker.maxBuilds - worker.running), 0)
  if (room === 0 && !whole) return null
  const paused = await world.ledger.pausedBuilders(world.store)
  const depths = configured.map(({name, collapseRequests}) => ({
    name,
    // The newest may take the place of all before it, so it must be seen.
    most: whole || collapseRequests ? lookPerBuilder : Math.min(room + 1, lookPerBuilder),
  }))
  const {requests, now} = await world.ledger.queue(world.store, depths)
  const builders = new Map(
    configured.map((builder) => [builder.name, {builder, paused: paused.get(builder.name) ?? null}]),
  )
  const assigned = assign({requests, builders, workers, hindrance: world.hindrance(), now})
  return {requests, now, assigned, more: depths.some((depth) => isCut(depth, requests))}
}

/** Whether there may be more of a builder's queue than was looked at, within what is ever looked at. */
const isCut = ({name, most}: {name: string; most: number}, requests: readonly PendingRequest[]) =>
  most < lookPerBuilder && requests.filter(({builder}) => builder === name).length === most

/** The reasons that differ from those stored. */
function news(requests: readonly PendingRequest[], assigned: Assigned): Map<string, readonly Wait[]> {
  const stored = new Map(requests.map((request) => [request.id, JSON.stringify(request.waiting)]))
  return new Map([...assigned.waiting].filter(([id, waits]) => stored.get(id) !== JSON.stringify(waits)))
}

/** The requests that say no more than what each says when it comes. */
const unexplained = (requests: readonly PendingRequest[]): Set<string> =>
  new Set(requests.filter(({waiting}) => (waiting[0]?.code ?? 'queued') === 'queued').map(({id}) => id))

/** Opens an attempt for each assignment whose request still waits, all in one transaction. */
async function open(world: World, assignments: readonly Assignment[]): Promise<Opening[]> {
  if (assignments.length === 0) return []
  const {config, version} = world.settings()
  const workers = new Map(assignments.map(({request, worker}) => [request, worker]))
  return await world.store.transaction(async (tx) => {
    const locked = await world.ledger.lockPending(tx, [...workers.keys()])
    const builds = await world.ledger.openBuilds(tx, locked, version)
    const planned = builds.flatMap((opened) => {
      const builder = config.builders.find((candidate) => candidate.name === opened.request.builder)
      const worker = workers.get(opened.request.id)
      if (!builder || !worker) return []
      const plan = makePlan(config, builder, {...opened.request, ...identity(opened)})
      return [{request: opened.request.id, build: opened.build, worker, plan}]
    })
    const fences = await world.ledger.openAttempts(tx, planned, acceptMs)
    return planned.map(({build, worker, plan}) => ({attempt: fences.get(build) ?? '', worker, plan}))
  })
}

const identity = (opened: Opened) => ({id: opened.build, number: opened.number})

/** Sends an offer with the secrets it needs; a secret that is missing ends the build, saying which. */
async function offer(world: World, sessions: Sessions, {attempt, worker, plan}: Opening): Promise<void> {
  try {
    const secrets = await world.settings().secrets.readAll(plan.secrets)
    const {build, builder, number} = plan
    if (sessions.offer(worker, {attempt, deadlineMs: acceptMs, plan, secrets}))
      return world.say.info({build, builder, number, worker, attempt}, 'build offered')
    // It went between the look and the offer.
    await world.store.transaction((tx) => world.ledger.withdraw(tx, [attempt], 0))
    world.bells.ring('claims')
  } catch (error) {
    const summary = (error as Error).message
    await world.store.transaction((tx) =>
      world.ledger.finish(tx, [{build: plan.build, result: 'exception', summary, at: null}]),
    )
    for (const bell of ['claims', 'events', 'reports'] as const) world.bells.ring(bell)
  }
}

function nextLook(requests: readonly PendingRequest[], assigned: number, now: number): number | null {
  if (assigned >= lookPerBuilder) return 0 // there may be more behind those that were looked at
  const later = requests.flatMap(({notBefore}) =>
    notBefore !== null && notBefore > now ? [notBefore - now] : [],
  )
  return later.length > 0 ? Math.min(...later) : null
}
