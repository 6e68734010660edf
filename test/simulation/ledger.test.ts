// The model of the ledger is only worth something if it tells the truth: random runs of its words are said to the model
// and to the real database, and every answer and every row afterwards must be the same.
import fc from 'fast-check'
import {ledger, type Ledger} from '../../master/world/ledger.ts'
import {submitBuildset as submit} from '../../master/world/store/buildsets.ts'
import type {Sql, Store} from '../../master/world/store/store.ts'
import {cancelBuild, cancelRequest, wishBuilder, wishWorker} from '../../master/world/store/wishes.ts'
import type {Changes} from '../../master/core/apply.ts'
import type {Plan} from '../../worker/protocol/plan.ts'
import {eachDatabase} from '../support/database.ts'
import {modelLedger} from './model/ledger.ts'
import * as people from './model/people.ts'
import type {ModelSql} from './model/statement.ts'
import {Tables, type View, type Work} from './model/tables.ts'

/** The model's tables, with a transaction around each call, and no time of their own. */
class Model {
  readonly tables = new Tables()
  now = Date.now()

  async transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    const own = this.tables.begin(this.now)
    const value = await work(this.sql(own))
    this.tables.commit(own)
    return value
  }

  private sql(own: Work): ModelSql {
    const run = <T>(statement: (view: View) => T) => {
      const done = this.tables.run(own, statement, () => undefined)
      if (!done) throw new Error('nobody else is here to wait for')
      return Promise.resolve(done.value)
    }
    return {statement: <T>(_name: string, work: (view: View) => T) => run(work)} as unknown as ModelSql
  }
}

const actor = {who: 'ann', address: null}
const names = ['w1', 'w2']
const spool = {bytes: 1, limitBytes: 2, policy: 'truncate', cutting: 0, holding: 1, cutBytes: 4}
const builders = ['a', 'b']
const result = fc.constantFrom('success', 'failure', 'retry', 'cancelled')
const nth = fc.nat(3)

/** What may be said; attempts, builds and requests are named by their place in the order of their making. */
const word = fc.oneof(
  {weight: 3, arbitrary: fc.record({say: fc.constant('submit' as const), builders: fc.subarray(builders, {minLength: 1}), priority: fc.nat(2)})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('attach' as const), worker: fc.constantFrom(...names), master: fc.constantFrom('m1', 'm2')})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('detach' as const), worker: fc.constantFrom(...names), session: fc.integer({min: 1, max: 3})})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('beat' as const), worker: fc.constantFrom(...names), session: fc.integer({min: 1, max: 3}), master: fc.constantFrom('m1', 'm2')})},
  {weight: 5, arbitrary: fc.record({say: fc.constant('claim' as const), worker: fc.constantFrom(...names), most: fc.integer({min: 1, max: 3})})},
  {weight: 2, arbitrary: fc.record({say: fc.constant('accept' as const), attempt: nth})},
  {weight: 4, arbitrary: fc.record({say: fc.constant('apply' as const), attempt: nth, end: fc.option(result), bytes: fc.nat(50), stale: fc.boolean()})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('finish' as const), build: nth, result})},
  {weight: 3, arbitrary: fc.record({say: fc.constant('retry' as const), attempts: fc.uniqueArray(nth, {minLength: 1, maxLength: 2})})},
  {weight: 2, arbitrary: fc.record({say: fc.constant('withdraw' as const), attempt: nth, pause: fc.constantFrom(0, 2000)})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('cancelBuild' as const), build: nth})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('cancelRequest' as const), request: nth})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('cancelUnheld' as const)})},
  {weight: 2, arbitrary: fc.record({say: fc.constant('collapse' as const), request: nth})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('orphans' as const), known: fc.subarray(builders)})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('wish' as const), worker: fc.constantFrom(...names), wish: fc.constantFrom('pause', 'drain', 'resume')})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('wishBuilder' as const), builder: fc.constantFrom(...builders), wish: fc.constantFrom('pause', 'resume')})},
  {weight: 2, arbitrary: fc.record({say: fc.constant('sweep' as const), graceMs: fc.constantFrom(10_000, 100_000)})},
  {weight: 2, arbitrary: fc.record({say: fc.constant('age' as const), seconds: fc.constantFrom(5, 40)})},
  {weight: 1, arbitrary: fc.record({say: fc.constant('refused' as const), attempt: nth})},
) // prettier-ignore
type Word = typeof word extends fc.Arbitrary<infer W> ? W : never

const submitted: Word = {say: 'submit', builders: ['a'], priority: 0}
const claimed: Word = {say: 'claim', worker: 'w1', most: 1}
/** Runs that chance would seldom make. */
const examples: [Word[]][] = [
  [[submitted, ...[0, 1, 2].flatMap((at): Word[] => [claimed, {say: 'retry', attempts: [at]}]), {say: 'sweep', graceMs: 10_000}]],
  [[submitted, claimed, {say: 'withdraw', attempt: 0, pause: 0}, submitted, {say: 'collapse', request: 0}, {say: 'collapse', request: 1}]],
  [[submitted, claimed, {say: 'cancelBuild', build: 0}, {say: 'retry', attempts: [0]}, {say: 'cancelUnheld'}]],
] // prettier-ignore

/** One side: the words, and how they are said there. */
interface Side {
  readonly words: Ledger
  readonly isModel: boolean
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>
  age(seconds: number): Promise<void>
}

const id = (at: number) => String(at + 1)

/** Says a word on one side; gives back the answer. */
async function say(side: Side, one: Word): Promise<unknown> {
  const {words} = side
  const tx = <T>(work: (tx: Sql) => Promise<T>) => side.transaction(work)
  switch (one.say) {
    case 'submit': {
      const asked = one.builders.map((name) => ({name, priority: one.priority}))
      if (side.isModel) return tx((sql) => people.submitBuildset(sql, asked))
      const {requests} = await tx(
        (sql) =>
        submit(sql, {
          reason: 'test', origin: 'api', scheduler: null, submittedBy: null, sourceStamps: [], properties: {}, changeIds: [],
          builders: asked,
        }), // prettier-ignore
      )
      return requests.map((request) => request.id)
    }
    case 'attach':
      return tx(async (sql) => [
        await words.attachWorker(sql, attachment(one.worker, one.master)),
        await words.openAttemptsOf(sql, one.worker).then((open) => open.map(({cancel, ...rest}) => ({...rest, isCancelled: cancel !== null}))),
      ]) // prettier-ignore
    case 'detach':
      return tx((sql) => words.detachWorkers(sql, [{worker: one.worker, session: String(one.session)}]))
    case 'beat': {
      const told = {skewMs: 5, freeBytes: 7, spool: {...spool, bytes: 3}, hindered: 'no room'}
      const beat = {worker: one.worker, session: String(one.session), ...told}
      return tx((sql) => words.writeBeats(sql, one.master, [beat]))
    }
    case 'claim':
      return tx((sql) => claim(sql, words, one.worker, one.most))
    case 'accept':
      return tx((sql) => words.accept(sql, [id(one.attempt)]))
    case 'apply':
      return tx((sql) => apply(sql, words, one))
    case 'finish':
      return tx((sql) =>
        words.finish(sql, [{build: id(one.build), result: one.result, summary: 's', at: null}]),
      )
    case 'retry':
      return tx((sql) => words.retry(sql, one.attempts.map(id), 'lost'))
    case 'withdraw':
      return tx((sql) => words.withdraw(sql, [id(one.attempt)], one.pause))
    case 'cancelBuild':
      return tx(async (sql) => {
        if (side.isModel) await people.cancelBuild(sql, id(one.build), 'ann', 'why')
        else await cancelBuild(sql, id(one.build), actor, 'why')
        return (await words.cancelWishes(sql, names)).map(({attempt}) => Number(attempt)).sort()
      })
    case 'cancelRequest':
      return tx(async (sql) => {
        if (side.isModel) await people.cancelRequest(sql, id(one.request), 'ann', 'why')
        else await cancelRequest(sql, id(one.request), actor, 'why')
      })
    case 'cancelUnheld':
      return tx((sql) => words.cancelUnheld(sql))
    case 'collapse':
      return tx((sql) => words.collapseRequests(sql, [id(one.request)]))
    case 'orphans':
      return tx((sql) => words.explainOrphans(sql, one.known))
    case 'wish':
      return tx(async (sql) => {
        const wish = one.wish as 'pause'
        if (side.isModel) await people.wishWorker(sql, one.worker, wish, 'ann')
        else await wishWorker(sql, one.worker, wish, actor, {reason: wish, forMs: null})
      })
    case 'wishBuilder':
      return tx(async (sql) => {
        const wish = one.wish as 'pause'
        if (side.isModel) await people.wishBuilder(sql, one.builder, wish, 'ann')
        else await wishBuilder(sql, one.builder, wish, actor, {reason: wish, forMs: null})
      })
    case 'sweep':
      return tx(async (sql) => {
        await words.disownWorkers(sql, 'm1', 20_000)
        const lost = await words.loseWorkers(sql, one.graceMs, {w2: 30_000})
        for (const {attempt} of byId(lost)) await words.retry(sql, [attempt], 'lost')
        const late = byId(await words.unanswered(sql, 'm1'))
        await words.withdraw(
          sql,
          late.map(({attempt}) => attempt),
          0,
        )
        for (const {worker} of late) await words.blame(sql, [worker], 'mute')
        await words.endHolds(sql)
        return [byId(lost), late, [...(await words.pausedBuilders(sql)).keys()].sort()]
      })
    case 'age':
      return side.age(one.seconds)
    case 'refused':
      return tx((sql) => words.countRefused(sql, id(one.attempt)))
  }
}

const byId = <T extends {attempt: string}>(rows: T[]) =>
  [...rows].sort((a, b) => Number(a.attempt) - Number(b.attempt))

const attachment = (worker: string, master: string) => ({
  hello: {
    say: 'hello' as const, protocols: [1, 1] as [number, number], worker, version: '1', labels: {}, maxBuilds: 2, engine: null, now: 0,
    freeBytes: 9, spool, hindered: null, attempts: [],
  },
  master,
  skewMs: 3,
  labels: {arch: 'x'},
  maxBuilds: 2,
}) // prettier-ignore

async function claim(sql: Sql, words: Ledger, worker: string, most: number): Promise<unknown> {
  const {requests} = await words.queue(
    sql,
    builders.map((name) => ({name, most})),
  )
  await words.explain(sql, new Map(requests.map((request) => [request.id, [{code: 'busy', text: 'busy'}]])))
  const locked = await words.lockPending(
    sql,
    requests.slice(0, most).map((request) => request.id),
  )
  const opened = await words.openBuilds(sql, locked, null)
  // In one order on both sides, so that the same attempt gets the same number.
  const ordered = [...opened].sort((a, b) => Number(a.build) - Number(b.build))
  const planned = ordered.map(({request, build, number}) => ({
    request: request.id, build, worker, plan: {steps: [{name: 's', kind: 'k'}], properties: {number}} as unknown as Plan,
  })) // prettier-ignore
  for (const one of planned) await words.openAttempts(sql, [one], 30_000)
  const states = (await words.workerStates(sql, 'm1', new Set(['w1']))).map(
    ({quarantine, paused, draining, ...state}) => ({
      ...state,
      isKept: quarantine !== null,
      isHeld: [paused?.by, draining?.by],
    }),
  )
  return [
    requests.map(({submittedAt: _at, notBefore, ...request}) => ({...request, isLater: notBefore !== null})),
    locked.map(({sourceStamps: _stamps, ...request}) => request),
    ordered.map(({build, number}) => ({build, number})),
    states,
  ]
}

async function apply(sql: Sql, words: Ledger, one: Extract<Word, {say: 'apply'}>): Promise<unknown> {
  const [found] = await words.effectiveAttempts(sql, [id(one.attempt)])
  if (!found) return null
  const steps = (await words.plannedSteps(sql, [found.attempt])).get(found.attempt) ?? []
  const state = {...found, steps, applied: one.stale ? found.applied - 1 : found.applied}
  const at = 1_000_000
  const changes: Changes = {
    state,
    applied: found.applied + 1,
    startedAt: at,
    executor: 'host',
    steps: new Map([[0, {number: 0, name: 's', kind: 'k', state: one.end ? 'finished' : 'running', startedAt: at, finishedAt: one.end ? at : null, result: one.end, summary: 'x', tries: 1, warnings: 0, tests: null}]]),
    logs: new Map([['0/stdio', {step: 0, name: 'stdio', segments: [], ended: null}]]),
    properties: {p: one.bytes},
    artifacts: one.bytes > 40 ? [{step: 0, name: 'n', path: 'p', bytes: 1, sha256: '0'}] : [],
    ended: one.end ? {at, result: one.end as 'success', summary: 'end'} : null,
    events: [{type: 'step.started', data: {build: state.build}}],
  } // prettier-ignore
  const rows = await words.logsOf(sql, [changes])
  const logs = [...rows.values()].map((row) => ({...row, bytes: row.bytes + one.bytes, storedBytes: row.storedBytes + 1, segments: row.segments + 1}))
  const standing = await words.applyChanges(sql, [changes], logs)
  return [state, [...rows.values()].map(({id: _id, ...row}) => row), [...standing]]
} // prettier-ignore

/** All that the database holds of the model's tables, without the moments. */
async function rowsOf(store: Store): Promise<Record<string, unknown>> {
  const read = async (columns: string, table: string, order = 'id') =>
    (await store.query<{row: object}>(`SELECT to_jsonb(r) AS row FROM (SELECT ${columns} FROM ${table} ORDER BY ${order}) r`))
      .map(({row}) => row) // prettier-ignore
  return {
    buildsets: await read('id, result, completed_at IS NOT NULL AS done', 'buildsets'),
    requests: await read('id, buildset_id AS buildset, builder, priority, state, result, waiting, not_before IS NOT NULL AS later, finished_at IS NOT NULL AS done', 'requests'),
    builders: await read('name, last_number AS last, paused IS NOT NULL AS paused', 'builders', 'name'),
    builds: await read('id, request_id AS request, builder, number, state, result, summary, worker, attempt, attempts_lost AS lost, executor, properties, cancel IS NOT NULL AS cancelled, started_at IS NOT NULL AS begun, finished_at IS NOT NULL AS done', 'builds'),
    attempts: await read('id, build_id AS build, worker, state, applied, accepted_at IS NOT NULL AS accepted, ended_at IS NOT NULL AS done, refused', 'attempts'),
    steps: await read('build_id AS build, attempt, number, name, kind, state, result, summary, tries, finished_at IS NOT NULL AS done', 'steps', 'attempt, number'),
    logs: await read('id, attempt, step, name, bytes, lines, segments, stored_bytes AS stored, complete', 'logs'),
    artifacts: await read('attempt, step, name, path', 'artifacts'),
    workers: await read('name, labels, max_builds AS most, master, session, connected, lost, paused IS NOT NULL AS paused, draining IS NOT NULL AS draining, skew_ms AS skew, free_bytes AS free, spool, hindered, declined, failures, quarantine IS NOT NULL AS kept', 'workers', 'name'),
    events: (await read('type, data', 'events')).map(withoutText),
  } // prettier-ignore
}

/** The same of the model. */
function rowsOfModel(tables: Tables): Record<string, unknown> {
  const all = <T extends Parameters<Tables['all']>[0]>(name: T) => [...tables.all(name)]
  const number = (text: string | null) => (text === null ? null : Number(text))
  const byName = (a: {id: string}, b: {id: string}) => (a.id < b.id ? -1 : 1)
  return {
    buildsets: all('buildsets').map((b) => ({id: Number(b.id), result: b.result, done: b.completedAt !== null})),
    requests: all('requests').map((r) => ({id: Number(r.id), buildset: Number(r.buildset), builder: r.builder, priority: r.priority, state: r.state, result: r.result, waiting: r.waiting, later: r.notBefore !== null, done: r.finishedAt !== null})),
    builders: all('builders').sort(byName).map((b) => ({name: b.id, last: b.lastNumber, paused: b.paused !== null})),
    builds: all('builds').map((b) => ({id: Number(b.id), request: Number(b.request), builder: b.builder, number: b.number, state: b.state, result: b.result, summary: b.summary, worker: b.worker, attempt: number(b.attempt), lost: b.attemptsLost, executor: b.executor, properties: b.properties, cancelled: b.cancel !== null, begun: b.startedAt !== null, done: b.finishedAt !== null})),
    attempts: all('attempts').map((a) => ({id: Number(a.id), build: Number(a.build), worker: a.worker, state: a.state, applied: a.applied, accepted: a.acceptedAt !== null, done: a.endedAt !== null, refused: a.refused})),
    steps: all('steps').sort((a, b) => Number(a.attempt) - Number(b.attempt)).map((s) => ({build: Number(s.build), attempt: Number(s.attempt), number: s.number, name: s.name, kind: s.kind, state: s.state, result: s.result, summary: s.summary, tries: s.tries, done: s.finishedAt !== null})),
    logs: all('logs').map((l) => ({id: Number(l.number), attempt: Number(l.attempt), step: l.step, name: l.name, bytes: l.bytes, lines: l.lines, segments: l.segments, stored: l.storedBytes, complete: l.complete})),
    artifacts: all('artifacts').map((a) => ({attempt: Number(a.attempt), step: a.step, name: a.name, path: a.path})),
    workers: all('workers').sort(byName).map((w) => ({name: w.id, labels: w.labels, most: w.maxBuilds, master: w.master, session: w.session, connected: w.connected, lost: w.lost, paused: w.paused !== null, draining: w.draining !== null, skew: w.skewMs, free: w.freeBytes, spool: w.spool, hindered: w.hindered, declined: w.declined, failures: w.failures, kept: w.quarantine !== null})),
    events: all('events').map(({type, data}) => withoutText({type, data})),
  } // prettier-ignore
}

/** An event without its moments. */
const withoutText = (event: object) =>
  JSON.parse(JSON.stringify(event, (key, value: unknown) => (key === 'until' ? 'then' : value))) as object

const moments: readonly [string, string][] = [
  ['workers', 'seen_at'],
  ['masters', 'seen_at'],
  ['attempts', 'accept_by'],
  ['requests', 'not_before'],
]

eachDatabase('the model of the ledger answers as the database does, and leaves the same rows', async (t, store) => {
  await fc.assert(
    fc.asyncProperty(fc.array(word, {minLength: 5, maxLength: 40}), async (run) => {
      await store.query(
        `TRUNCATE buildsets, requests, builders, builds, attempts, steps, logs, artifacts, workers, masters, events RESTART IDENTITY CASCADE`,
      )
      const model = new Model()
      const real: Side = {
        words: ledger,
        isModel: false,
        transaction: (work) => store.transaction(work),
        async age(seconds) {
          for (const [table, column] of moments)
            await store.query(`UPDATE ${table} SET ${column} = ${column} - $1 * interval '1 second'`, [seconds])
        },
      }
      const modelled: Side = {
        words: modelLedger(),
        isModel: true,
        transaction: (work) => model.transaction(work),
        age: (seconds) => Promise.resolve(void (model.now += seconds * 1000)),
      }
      for (const [at, one] of run.entries()) {
        const said = `${at}: ${JSON.stringify(one)}`
        const [theirs, ours] = [await say(real, one), await say(modelled, one)]
        t.deepEqual({said, answer: ours}, {said, answer: theirs})
      }
      t.deepEqual(rowsOfModel(model.tables), await rowsOf(store))
    }),
    {numRuns: 40, examples},
  )
}) // prettier-ignore
