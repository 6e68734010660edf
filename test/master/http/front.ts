// A real front door over a real store for the tests of master/http: two builders, a force scheduler, a hook, and
// people and a worker with tokens.
import type {ExecutionContext} from 'ava'
import type {FastifyInstance, InjectOptions, LightMyRequestResponse} from 'fastify'
import {mkdir} from 'node:fs/promises'
import path from 'node:path'
import {crc32, deflateRawSync, constants} from 'node:zlib'
import {Registry} from 'prom-client'
import type {Config} from '../../../config/config.ts'
import {Sessions} from '../../../master/flow/sessions.ts'
import type {Needs} from '../../../master/http/needs.ts'
import {createServer} from '../../../master/http/server.ts'
import {ArtifactFiles} from '../../../master/world/artifacts.ts'
import {writeBackup} from '../../../master/world/backup/make.ts'
import {openBells, type Bells} from '../../../master/world/bells.ts'
import {ledger} from '../../../master/world/ledger.ts'
import {LogFiles} from '../../../master/world/logs.ts'
import {openSay} from '../../../master/world/say.ts'
import {Secrets} from '../../../master/world/secrets.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {createToken, type Role} from '../../../master/world/store/tokens.ts'
import {eachDatabase, type Place} from '../../support/database.ts'
import {fastForward, greenOf} from '../../support/promoting.ts'
import {builderNamed} from '../../support/builders.ts'

const none = async (): Promise<never> => await Promise.reject(new Error('no promotion in this test'))

export const hookSecret = 'the forge knows this'

const builder = (name: string) =>
  builderNamed(name, {
    tags: [name === 'linux' ? 'unix' : 'other'],
    description: `builds ${name}`,
    requires: {os: name},
  })

export const config: Config = {
  title: 'Tests',
  url: null,
  timezone: 'UTC',
  secrets: {directory: null},
  access: {read: 'open'},
  changeSources: [
    {
      kind: 'git',
      name: 'sample',
      url: 'https://git.example.org/sample',
      branches: ['main'],
      pollIntervalMs: 60_000,
      credentials: {user: null, password: null, sshKey: null, knownHosts: null},
      pushCredentials: null,
    },
    {
      kind: 'webhook',
      name: 'forge',
      dialect: 'gitea',
      secret: {secret: 'forge-hook'},
      repositories: [],
      wakes: null,
    },
    {
      kind: 'webhook',
      name: 'hub',
      dialect: 'github',
      secret: {secret: 'forge-hook'},
      repositories: [],
      wakes: null,
    },
    {
      kind: 'webhook',
      name: 'lab',
      dialect: 'gitlab',
      secret: {secret: 'forge-hook'},
      repositories: [],
      wakes: null,
    },
  ],
  workers: [{name: 'bob', labels: {os: 'linux'}, maxBuilds: 2, missingTimeoutMs: null}],
  builders: [builder('linux'), builder('bsd')],
  schedulers: [
    {
      kind: 'force',
      trusted: false,
      name: 'force',
      builders: ['linux', 'bsd'],
      properties: {},
      priority: 5,
      reason: null,
      label: 'Build now',
      source: 'sample',
      branch: 'main',
      parameters: [
        {
          name: 'issue',
          kind: 'integer',
          label: 'Issue',
          required: true,
          default: null,
          choices: [],
          pattern: null,
          min: 1,
          max: 99,
        },
        {
          name: 'flavour',
          kind: 'choice',
          label: 'Flavour',
          required: false,
          default: 'plain',
          choices: ['plain', 'extra'],
          pattern: null,
          min: null,
          max: null,
        },
      ],
    },
    {
      kind: 'singleBranch',
      name: 'main',
      builders: ['linux'],
      properties: {},
      priority: 0,
      reason: null,
      source: 'sample',
      branch: 'main',
      treeStableTimerMs: 5000,
      files: [],
      onRed: 'testfix',
      testfixMarker: '[testfix]',
    },
  ],
  promotions: {
    schedule: null,
    run: 'automatic',
    committer: {name: 'Ostler', email: 'ostler@example.org'},
    rules: [
      fastForward({
        source: 'sample',
        green: greenOf({builders: ['linux'], origins: ['scheduler']}),
      }),
    ],
  },
  reporters: [],
  retention: {buildsMs: null, logsMs: null, artifactsMs: null, keepLatest: 1},
}

export interface Front {
  readonly app: FastifyInstance
  readonly needs: Needs
  readonly store: Store
  readonly bells: Bells
  readonly tokens: Readonly<Record<Role | 'worker', string>>
  /** Asks with a role's token; none without. */
  ask(how: InjectOptions & {as?: Role | 'worker'}): Promise<LightMyRequestResponse>
  /** Listens on loopback and answers the address. */
  listen(): Promise<string>
}

/** Runs a test with a front door, on each database. */
export function eachFront(
  title: string,
  run: (t: ExecutionContext, front: Front) => Promise<unknown>,
  change: Partial<Config> = {},
): void {
  eachDatabase(
    title,
    async (t, store, place) => await withFront(store, place, change, (front) => run(t, front)),
  )
}

async function withFront(
  store: Store,
  place: Place,
  change: Partial<Config>,
  run: (front: Front) => Promise<unknown>,
): Promise<void> {
  const webDirectory = path.join(place.stateDir, 'web')
  await mkdir(path.join(webDirectory, 'assets'), {recursive: true})
  const bells = await openBells(store, 'test-master')
  const settings = {
    config: {...config, ...change},
    version: '1',
    secrets: new Secrets(null, {OSTLER_SECRET_FORGE_HOOK: hookSecret}),
  }
  const world = {
    master: 'test-master',
    store,
    ledger,
    bells,
    logs: new LogFiles(path.join(place.stateDir, 'logs')),
    artifacts: new ArtifactFiles(path.join(place.stateDir, 'artifacts')),
    say: openSay('silent'),
    hindrance: () => null,
    settings: () => settings,
  }
  const needs: Needs = {
    ...world,
    version: '0.0.0',
    reload: async () => ({version: '1', problems: []}),
    desk: new Sessions(world),
    promoter: {
      run: none,
      planRollback: none,
      rollBack: none,
    },
    backup: (out) =>
      writeBackup({...world, holder: world.master, version: '0.0.0', scratch: place.stateDir}, out),
    complaints: async () => [],
    found: () => ({at: null, findings: []}),
    metrics: new Registry(),
    webDirectory,
  }
  const app = await createServer(needs)
  const made: Record<string, string> = {}
  for (const role of ['viewer', 'developer', 'operator', 'admin'] as const)
    made[role] = (await createToken(store, {kind: 'user', name: role, role, createdBy: null})).text
  made['worker'] = (await createToken(store, {kind: 'worker', name: 'bob', createdBy: null})).text
  const tokens = made as Front['tokens']
  try {
    await run({
      app,
      needs,
      store,
      bells,
      tokens,
      ask: ({as, ...how}) =>
        app.inject({
          ...how,
          headers: {...how.headers, ...(as ? {authorization: `Bearer ${tokens[as]}`} : {})},
        }),
      listen: () => app.listen({host: '127.0.0.1', port: 0}),
    })
  } finally {
    await app.close()
    await bells.close()
  }
}

/** A finished build of `linux` with one step and its log, as rows and files. Answers its ids. */
export async function addBuild(
  {store, needs}: Front,
  text: string | null,
  {
    complete = true,
    builder: name = 'linux',
    result = 'success',
    startedAt = new Date(Date.now() - 60_000),
  } = {},
) {
  const one = async (sql: string, values: unknown[]) =>
    ((await store.query<{id: string}>(sql, values))[0] as {id: string}).id
  const stamps = JSON.stringify([{repository: 'sample', branch: 'main', revision: null}])
  const buildset = await one(
    `INSERT INTO buildsets (reason, origin, source_stamps, properties) VALUES ('why', 'scheduler', $1, '{"asked": 1}') RETURNING id`,
    [stamps],
  )
  const request = await one(
    `INSERT INTO requests (buildset_id, builder, state, result) VALUES ($1, $2, 'finished', 'success') RETURNING id`,
    [buildset, name],
  )
  const build = await one(
    `INSERT INTO builds (request_id, buildset_id, builder, number, state, result, worker, branch, got_revision, source_stamps, origin, reason, properties, started_at, finished_at)
     VALUES ($1, $2, $3, (SELECT coalesce(max(number), 0) + 1 FROM builds WHERE builder = $3), $5, CASE WHEN $5 = 'finished' THEN $6 END, 'bob', 'main', 'abcdef12', $4, 'scheduler', 'why', '{"asked": 1, "set": 2}', $7, CASE WHEN $5 = 'finished' THEN now() END) RETURNING id`,
    [request, buildset, name, stamps, complete ? 'finished' : 'running', result, startedAt],
  )
  const attempt = await one(
    `INSERT INTO attempts (build_id, worker, state, plan, accept_by) VALUES ($1, 'bob', $2, '{}', now()) RETURNING id`,
    [build, complete ? 'finished' : 'running'],
  )
  await store.query('UPDATE builds SET attempt = $2 WHERE id = $1', [build, attempt])
  await store.query(
    `INSERT INTO steps (build_id, attempt, number, name, kind, state, result, started_at) VALUES ($1, $2, 0, 'test', 'shell', 'finished', 'success', now())`,
    [build, attempt],
  )
  const log = await one(
    `INSERT INTO logs (build_id, attempt, step, name) VALUES ($1, $2, 0, 'stdio') RETURNING id`,
    [build, attempt],
  )
  if (text !== null) await growLog({store, needs}, log, text, complete)
  return {build, buildset, request, attempt, log}
}

/** Adds text to a log, as the stage that records journals does. */
export async function growLog(
  {store, needs}: Pick<Front, 'store' | 'needs'>,
  id: string,
  text: string,
  complete: boolean,
): Promise<void> {
  const {readLog} = await import('../../../master/world/store/views/logs.ts')
  const log = await readLog(store, id)
  if (!log) throw new Error(`no log ${id}`)
  const bytes = Buffer.from(text)
  const lines = bytes.filter((byte) => byte === 10).length
  const body = deflateRawSync(bytes, {finishFlush: constants.Z_FULL_FLUSH})
  const storedBytes = await needs.logs.append(
    log,
    [{bytes: bytes.length, lines, crc32: crc32(bytes), body}],
    false,
  )
  const all = Buffer.concat([...(await collect(needs.logs.readText(log))), bytes])
  await store.query(
    'UPDATE logs SET bytes = bytes + $2, lines = lines + $3, segments = segments + 1, stored_bytes = $4, crc32 = $5, complete = $6 WHERE id = $1',
    [id, bytes.length, lines, storedBytes, crc32(all), complete],
  )
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}
