// What goes wrong, and what people do meanwhile: events by chance over some minutes of virtual time. Each seed draws
// which kinds of trouble it has at all, since some bugs show only where others do not.
import type {Clockwork} from './clockwork.ts'
import type {Disks} from './disk.ts'
import type {VirtualMaster} from './master.ts'
import {cancelBuild, cancelRequest, submitBuildset, wishBuilder, wishWorker} from './model/people.ts'
import type {Network} from './network.ts'
import type {Random} from './random.ts'
import {noStoreFaults, type Database} from './store.ts'
import type {LogShelf} from './logs.ts'
import type {ModelSql} from './model/statement.ts'
import type {VirtualWorker} from './worker.ts'

export interface Scene {
  readonly clock: Clockwork
  readonly random: Random
  readonly database: Database
  readonly network: Network
  readonly shelf: LogShelf
  readonly disks: Disks
  readonly masters: readonly VirtualMaster[]
  readonly workers: readonly VirtualWorker[]
  /** Names of the builders, and of those that may be taken out of the configuration. */
  readonly builders: readonly string[]
  /** Puts the configuration without these builders in force, at all masters. */
  readonly reload: (without: readonly string[]) => void
  readonly counts: Counts
  /** How often the database says that it committed what it did not: 0 but in a test of the tests. */
  readonly lyingCommit: number
  /** The kinds of trouble that there are at all, by chance when it is null. */
  readonly troubles: readonly TroubleName[] | null
}

export type TroubleName = keyof typeof troubles

/** What happened, for the summary. */
export type Counts = Record<
  'masterCrashes' | 'workerCrashes' | 'hostsLost' | 'cuts' | 'walls' | 'freezes' | 'jumps' | 'databaseAway' | 'fullDisks' | 'cancels' | 'reloads' | 'requests' | 'pauses',
  number
> // prettier-ignore

export const noCounts = (): Counts => ({
  masterCrashes: 0, workerCrashes: 0, hostsLost: 0, cuts: 0, walls: 0, freezes: 0, jumps: 0, databaseAway: 0, fullDisks: 0,
  cancels: 0, reloads: 0, requests: 0, pauses: 0,
}) // prettier-ignore

type Trouble = (scene: Scene) => void

/** How long something lasts: mostly short, now and then long. */
const span = (random: Random, usual: number, long: number) =>
  random.chance(0.2) ? random.between(usual, long) : random.between(0, usual)

const troubles = {
  masterCrash({clock, random, masters, counts}) {
    const master = random.pick(masters)
    if (!master.node.isAlive) return
    counts.masterCrashes++
    clock.crash(master.node, 'killed')
  },
  workerCrash({clock, random, workers, counts}) {
    const worker = random.pick(workers)
    if (!worker.node.isAlive) return
    counts.workerCrashes++
    clock.crash(worker.node, 'killed')
  },
  hostLost({random, workers, counts}) {
    const worker = random.pick(workers)
    if (!worker.node.isAlive) return
    counts.hostsLost++
    worker.fall()
  },
  cut({clock, random, network, counts}) {
    const sockets = [...network.sockets]
    if (sockets.length === 0) return
    counts.cuts++
    const socket = random.pick(sockets)
    const tells = random.pick(['both', 'both', 'one', 'none'] as const)
    clock.say(`CUT ${socket.node.name}, told: ${tells}`)
    network.cut(socket, tells)
  },
  wall({clock, random, network, masters, workers, counts}) {
    counts.walls++
    const master = random.pick(masters).node.name
    const worker = random.pick(workers).node.name
    const until = clock.now + span(random, 15_000, 120_000)
    const ways = random.pick(['in', 'out', 'both'])
    clock.say(`WALL ${ways} between ${worker} and ${master} until ${(until / 1000).toFixed(1)}`)
    if (ways !== 'out') network.walls.set(`${worker}>${master}`, until)
    if (ways !== 'in') network.walls.set(`${master}>${worker}`, until)
  },
  freeze({clock, random, masters, workers, counts}) {
    const {node} = random.pick([...masters, ...workers])
    if (!node.isAlive) return
    counts.freezes++
    node.frozenUntil = clock.now + span(random, 10_000, 90_000)
    clock.say(`FREEZE ${node.name} until ${(node.frozenUntil / 1000).toFixed(1)}`)
  },
  jump({clock, random, masters, workers, counts}) {
    const {node} = random.pick([...masters, ...workers])
    counts.jumps++
    node.skewMs += random.pick([-1, 1]) * span(random, 5_000, 3_600_000)
    clock.say(`JUMP ${node.name} is off by ${String(Math.round(node.skewMs))} ms`)
  },
  databaseJump({clock, random, database, counts}) {
    counts.jumps++
    database.skewMs += random.chance(0.3) ? random.between(0, 600_000) : random.between(-15_000, 15_000)
    clock.say(`JUMP the database is off by ${String(Math.round(database.skewMs))} ms`)
  },
  goneForGood({clock, random, workers, counts}) {
    const worker = workers.at(-1)
    if (workers.length < 2 || !worker?.node.isAlive || random.chance(0.6)) return
    counts.hostsLost++
    clock.say(`GONE for good: ${worker.node.name}`)
    worker.isGone = true
    worker.fall()
  },
  slowMaster({clock, random, masters, network, database, counts}) {
    const {node} = random.pick(masters)
    const ms = span(random, 5_000, 30_000)
    clock.say(`SLOW is the way of ${node.name} to the database for ${(ms / 1000).toFixed(1)} s`)
    database.slow.set(node, clock.now + ms)
    // Its workers move on while it is at work for them.
    for (let n = random.whole(0, 3); n > 0; n--)
      clock.later(random.between(0, ms), null, () => {
        const own = [...network.sockets].filter((socket) => socket.node === node)
        if (own.length === 0) return
        counts.cuts++
        network.cut(random.pick(own), 'both')
      })
  },
  databaseAway({clock, random, database, counts}) {
    if (database.isAway) return
    counts.databaseAway++
    clock.say('DATABASE away')
    database.leave()
    clock.later(span(random, 10_000, 60_000), null, () => {
      clock.say('DATABASE back')
      database.comeBack()
    })
  },
  fullDisk({clock, random, disks, workers, shelf, counts}) {
    counts.fullDisks++
    const fate = random.chance(0.2) ? shelf : disks.fateOf(random.pick(workers).node)
    clock.say(`DISK full ${fate === shelf ? 'of the logs' : 'of a worker'}`)
    fate.isFull = true
    clock.later(span(random, 5_000, 40_000), null, () => (fate.isFull = false))
  },
  cancel(scene) {
    const {random, database, counts} = scene
    const builds = [...database.tables.all('builds')].filter(({state}) => state !== 'finished')
    const requests = [...database.tables.all('requests')].filter(({state}) => state !== 'finished')
    if (requests.length === 0) return
    counts.cancels++
    const build = builds.length > 0 && random.chance(0.7) ? random.pick(builds) : null
    const request = random.pick(requests)
    act(scene, 'cancel', (tx) =>
      build ? cancelBuild(tx, build.id, 'ann', 'a wish') : cancelRequest(tx, request.id, 'ann', 'a wish'),
    )
  },
  pause(scene) {
    const {clock, random, workers, builders, counts} = scene
    counts.pauses++
    const worker = random.pick(workers).node.name
    const builder = random.pick(builders)
    const isWorker = random.chance(0.6)
    const wish = random.pick(['pause', 'drain'] as const)
    const wishing = (tx: ModelSql, one: 'pause' | 'drain' | 'resume') =>
      isWorker
        ? wishWorker(tx, worker, one, 'ann')
        : wishBuilder(tx, builder, one === 'resume' ? one : 'pause', 'ann')
    act(scene, wish, (tx) => wishing(tx, wish))
    clock.later(span(random, 10_000, 40_000), null, () => act(scene, 'resume', (tx) => wishing(tx, 'resume')))
  },
  reload(scene) {
    const {clock, random, builders, reload, counts} = scene
    counts.reloads++
    reload([random.pick(builders)])
    clock.later(span(random, 10_000, 40_000), null, () => reload([]))
  },
} satisfies Readonly<Record<string, Trouble>>

/** Somebody's transaction at the database itself, and the bell after it through some master. */
function act(scene: Scene, what: string, work: (tx: ModelSql) => Promise<unknown>): void {
  const {clock, database, masters, random} = scene
  if (database.isAway) return
  clock.say(`PEOPLE ${what}`)
  const {tables} = database
  const own = tables.begin(database.now)
  const tx = {
    statement: (_name: string, statement: Parameters<ModelSql['statement']>[1]) => {
      const done = tables.run(own, statement, () => undefined)
      return done ? Promise.resolve(done.value) : Promise.reject(new Error('busy'))
    },
  } as unknown as ModelSql
  work(tx).then(
    () => {
      database.commit(own)
      if (random.chance(0.8)) for (const bell of ['claims', 'cancels'] as const) random.pick(masters).ring(bell)
    },
    () => database.end(own),
  ) // prettier-ignore
}

/** Sends the storm over the scene; all of it is over at `untilMs`. */
export function storm(scene: Scene, untilMs: number): void {
  const {clock, random} = scene
  const byChance = Object.values<Trouble>(troubles).filter(() => random.chance(0.55))
  const kinds = scene.troubles?.map((name): Trouble => troubles[name]) ?? byChance
  const everyMs = random.between(1_500, 15_000)
  for (let at = random.between(0, everyMs); at < untilMs; at += random.between(0, 2 * everyMs)) {
    const kind = kinds.length > 0 ? random.pick(kinds) : null
    if (kind) clock.later(at, null, () => kind(scene))
  }
  const requests = random.whole(2, 7)
  for (let n = 0; n < requests; n++) clock.later(random.between(0, untilMs * 0.8), null, () => submit(scene))
  setFaults(scene)
  keepAlive(scene, untilMs)
}

/** A decision to build, for one builder or a few. */
function submit(scene: Scene): void {
  const {random, builders, counts} = scene
  const names = builders.filter(() => random.chance(0.35))
  const chosen = names.length > 0 ? names : [random.pick(builders)]
  counts.requests += chosen.length
  const branch = random.pick(['main', 'next'])
  act(scene, `submit ${chosen.join(', ')}`, (tx) =>
    submitBuildset(
      tx,
      chosen.map((name) => ({name, priority: random.whole(0, 2)})),
      [{repository: 'r', branch, revision: null}],
    ),
  )
}

function setFaults({random, database, shelf, disks, workers, lyingCommit}: Scene): void {
  const some = (most: number) => (random.chance(0.5) ? random.between(0, most) : 0)
  database.faults = {
    serialization: some(0.1),
    refusedCommit: some(0.05),
    lostAnswer: some(0.1),
    crashAfterCommit: some(0.01),
    brokenStatement: some(0.01),
    lyingCommit,
  }
  database.lostNotices = some(0.5)
  shelf.crashInWrite = some(0.05)
  for (const {node} of workers) disks.fateOf(node).crashInWrite = some(0.02)
}

/** Whatever crashed is started again after a while, as a service manager does. */
function keepAlive({clock, random, masters, workers}: Scene, untilMs: number): void {
  const due = new Map<string, number>()
  const look = () => {
    for (const one of [...masters, ...workers.filter(({isGone}) => !isGone)]) {
      const {node} = one
      if (node.isAlive) {
        due.delete(node.name)
        continue
      }
      const at = due.get(node.name) ?? clock.now + span(random, 8_000, 100_000)
      due.set(node.name, clock.now < untilMs ? at : 0)
      if (at <= clock.now) one.start()
    }
    clock.later(500, null, look)
  }
  look()
}

/** Ends the storm: everything is well again, and stays so. */
export function calm(scene: Scene): void {
  const {clock, database, network, shelf, disks, masters, workers, reload} = scene
  clock.say('CALM')
  database.faults = noStoreFaults
  database.lostNotices = 0
  if (database.isAway) database.comeBack()
  network.walls.clear()
  shelf.isFull = false
  shelf.crashInWrite = 0
  for (const {node} of workers) Object.assign(disks.fateOf(node), {isFull: false, crashInWrite: 0})
  for (const {node} of [...masters, ...workers]) {
    node.frozenUntil = Math.min(node.frozenUntil, clock.now)
    // Whose clock is far off gets no work.
    node.skewMs = 0
  }
  reload([])
  resumeAll(scene)
} // prettier-ignore

/** Nothing stays paused; whoever was just busy is asked again. */
function resumeAll(scene: Scene): void {
  const {clock, database, builders} = scene
  const held = [...database.tables.all('workers'), ...database.tables.all('builders')].filter(
    (row) => row.paused !== null || ('draining' in row && row.draining !== null),
  )
  for (const {id} of held)
    act(scene, 'resume', (tx) =>
      builders.includes(id) ? wishBuilder(tx, id, 'resume', 'ann') : wishWorker(tx, id, 'resume', 'ann'),
    )
  clock.later(5_000, null, () => resumeAll(scene))
}
