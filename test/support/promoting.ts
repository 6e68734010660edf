// A scene for the stages that touch git: a real repository, a store, and builds that somebody finished.
import type {ExecutionContext} from 'ava'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Config, FastForward, Gate, GitSource, Green, Merge, PromotionRule} from '../../config/config.ts'
import type {BellName, Bells} from '../../master/world/bells.ts'
import {Git} from '../../master/world/git.ts'
import {openSay} from '../../master/world/say.ts'
import {whileHolding} from '../../master/world/store/holding.ts'
import type {Store} from '../../master/world/store/store.ts'

export async function stateDirectory(t: Pick<ExecutionContext, 'teardown'>): Promise<string> {
  const stateDir = await mkdtemp(join(tmpdir(), 'ostler-state-'))
  t.teardown(() => rm(stateDir, {recursive: true, force: true}))
  return stateDir
}

/** A world for one master: `rings` are the bells it rang. */
export async function openWorld(
  t: Pick<ExecutionContext, 'teardown'>,
  store: Store,
  over: {git?: Git; master?: string} = {},
) {
  const rings: BellName[] = []
  const bells: Bells = {
    ring: (bell) => void rings.push(bell),
    ringHere: () => {},
    ringOthers: () => {},
    on: () => () => {},
    close: async () => {},
  }
  const git = over.git ?? new Git({stateDir: await stateDirectory(t), secret: async (name) => name})
  const master = over.master ?? 'one'
  return {
    store,
    bells,
    rings,
    git,
    clock: {now: () => 1_700_100_000_000},
    say: openSay('silent'),
    luck: () => 0.5,
    whileHolding: <T>(lease: string, work: Parameters<typeof whileHolding<T>>[3]) =>
      // A test machine may be so busy that a renewal comes too late.
      whileHolding(store, master, lease, work, 60_000),
  }
}

export function configOf(sources: readonly GitSource[], rules: readonly PromotionRule[] = []): Config {
  return {
    title: 'Test',
    url: null,
    timezone: 'UTC',
    secrets: {directory: null},
    access: {read: 'open'},
    changeSources: sources,
    workers: [],
    builders: [],
    schedulers: [],
    promotions: {
      schedule: null,
      run: 'automatic',
      committer: {name: 'Ostler', email: 'ostler@example.org'},
      rules,
    },
    reporters: [],
    retention: {buildsMs: null, logsMs: null, artifactsMs: null, keepLatest: 20},
  }
}

/** What makes a commit green: one builder, and nothing more. */
export const greenOf = (over: Partial<Green> = {}): Green => ({
  builders: ['gate'],
  policy: 'latestFinished',
  accept: ['success'],
  origins: ['scheduler', 'force', 'rebuild'],
  branches: [],
  properties: {},
  soakMs: 0,
  fillIn: false,
  running: 'pass',
  staleEvidence: 'accept',
  runsMax: null,
  quarantine: [],
  ...over,
})

const common = {
  source: 'repo',
  freeze: [],
  approvals: null,
  reverts: 'veto',
  tag: null,
  note: null,
} as const

export const fastForward = (over: Partial<FastForward> = {}): FastForward => ({
  ...common,
  kind: 'fastForward',
  name: 'stable',
  from: 'main',
  to: 'stable',
  green: greenOf(),
  ...over,
})

export const merge = (over: Partial<Merge> = {}): Merge => ({
  ...common,
  kind: 'merge',
  name: 'carry',
  from: 'stable',
  to: 'devel',
  green: null,
  tree: 'same',
  committer: null,
  message: ['Automatic merge from stable up to ', {prop: 'revision', take: 12}],
  ...over,
})

export const gate = (over: Partial<Gate> = {}): Gate => ({
  ...common,
  kind: 'gate',
  name: 'landing',
  from: 'main',
  to: 'stable',
  green: greenOf(),
  partial: false,
  committer: null,
  message: ['Merge ', {prop: 'from'}],
  ...over,
})

let minute = 0

/** A build as the river would have left it. `result` null is still running. */
export async function addBuild(
  store: Store,
  revision: string,
  result: string | null,
  over: {builder?: string; branch?: string; origin?: string; repository?: string} = {},
): Promise<string> {
  const {builder = 'gate', branch = 'main', origin = 'scheduler', repository = 'repo'} = over
  minute += 1
  const stamps = JSON.stringify([{repository, branch, revision}])
  const [row] = await store.query<{id: string}>(
    `WITH s AS (INSERT INTO buildsets (reason, origin, source_stamps) VALUES ('test', $1, $2::jsonb) RETURNING id),
       r AS (INSERT INTO requests (buildset_id, builder, state) SELECT id, $3, CASE WHEN $5::text IS NULL THEN 'claimed' ELSE 'finished' END FROM s
         RETURNING id, buildset_id)
     INSERT INTO builds (request_id, buildset_id, builder, number, state, result, repository, branch, revision, got_revision, source_stamps,
       origin, reason, finished_at)
     SELECT id, buildset_id, $3, (SELECT count(*) + 1 FROM builds WHERE builder = $3), $4, $5, $6, $7, $8, $8, $2::jsonb, $1, 'test',
       CASE WHEN $5::text IS NULL THEN NULL ELSE timestamptz '2026-01-01' + $9::integer * interval '1 minute' END
     FROM r RETURNING id`,
    [
      origin,
      stamps,
      builder,
      result === null ? 'running' : 'finished',
      result,
      repository,
      branch,
      revision,
      minute,
    ],
  )
  return (row as {id: string}).id
}

/** The events of some types, in order. */
export async function eventsOf(
  store: Store,
  ...types: string[]
): Promise<{type: string; data: Record<string, unknown>}[]> {
  return await store.query('SELECT type, data FROM events WHERE type = ANY($1::text[]) ORDER BY id', [types])
}
