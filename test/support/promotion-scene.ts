// A scene for the numbered cases of promotion: a real server, a master's stage and store, and what people may say.
import {chmod, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {Config, GitSource, PromotionRule} from '../../config/config.ts'
import {runPromotions} from '../../master/flow/promotions.ts'
import type {PromotionsWorld, RuleReport, RunOptions} from '../../master/flow/promotions.ts'
import {Git} from '../../master/world/git.ts'
import {addControl, endControls} from '../../master/world/store/controls.ts'
import type {NewControl} from '../../master/world/store/controls.ts'
import type {Store} from '../../master/world/store/store.ts'
import {configOf, eventsOf, openWorld, stateDirectory} from './promoting.ts'
import {Repository} from './repository.ts'
import {builderNamed} from './builders.ts'

/** A git whose pushes something happens before or after, as the world does. */
export class MeddledGit extends Git {
  before: () => Promise<void> = async () => {}
  after: () => Promise<void> = async () => {}
  fetches = 0
  override async fetch(...call: Parameters<Git['fetch']>) {
    this.fetches += 1
    return await super.fetch(...call)
  }
  override async push(...call: Parameters<Git['push']>) {
    await this.before()
    const outcome = await super.push(...call)
    await this.after()
    return outcome
  }
}

export interface PromotionScene {
  readonly repository: Repository
  readonly world: Awaited<ReturnType<typeof openWorld>>
  readonly git: MeddledGit
  readonly config: Config
  readonly store: Store
  readonly run: (options?: Partial<RunOptions>, over?: Partial<PromotionsWorld>) => Promise<RuleReport>
  readonly runAll: (options?: Partial<RunOptions>) => Promise<readonly RuleReport[]>
  readonly say: (control: Omit<NewControl, 'reason' | 'role'>, who?: string) => Promise<string>
  readonly release: (rule: string) => Promise<void>
  readonly hook: (name: string, body: string) => Promise<void>
  readonly events: (...types: string[]) => Promise<Record<string, unknown>[]>
  readonly rows: () => Promise<
    {id: string; rule: string; state: string; verdict: string; reasons: string[]; error: string | null}[]
  >
}

/** A repository whose `main` has the named commits and whose other branches stand at the first; answers the scene and the commits. */
export async function openScene(
  t: ExecutionContext,
  store: Store,
  rules: readonly PromotionRule[],
  commits: readonly string[] = ['one', 'two', 'three'],
  over: Partial<GitSource> = {},
): Promise<PromotionScene & {readonly at: Readonly<Record<string, string>>}> {
  const repository = await Repository.make(t)
  const at: Record<string, string> = {}
  for (const name of commits) at[name] = await repository.commit(name)
  const others = new Set(rules.flatMap(({from, to}) => [from, to]).filter((branch) => branch !== 'main'))
  await repository.push(
    'main',
    ...[...others].map((branch) => `${at[commits[0] as string] ?? ''}:refs/heads/${branch}`),
  )
  const git = new MeddledGit({stateDir: await stateDirectory(t), secret: async (name) => name})
  const world = await openWorld(t, store, {git})
  const builders = [...new Set(rules.flatMap(({green}) => green?.builders ?? []))]
  const config = {
    ...configOf([repository.source(over)], rules),
    builders: builders.map((name) => builderNamed(name, {collapseRequests: true})),
  }
  const runAll = async (options: Partial<RunOptions> = {}) =>
    await runPromotions(world, config, {actor: 'schedule', ...options})
  return {
    at,
    repository,
    world,
    git,
    config,
    store,
    runAll,
    run: async (options = {}, other = {}) =>
      (await runPromotions({...world, ...other}, config, {actor: 'schedule', ...options}))[0] as RuleReport,
    say: async (control, who = 'ann') =>
      (
        await store.transaction((tx) =>
          addControl(tx, {who, address: null}, {...control, reason: 'she knows why', role: 'operator'}),
        )
      ).id,
    release: async (rule) => {
      await store.transaction((tx) =>
        endControls(tx, {who: 'ann', address: null}, {rule, kinds: ['hold']}, 'it is well'),
      )
    },
    hook: async (name, body) => {
      const file = join(repository.server, 'hooks', name)
      await writeFile(file, `#!/bin/sh\n${body}\n`)
      await chmod(file, 0o755)
    },
    events: async (...types) => (await eventsOf(store, ...types)).map(({data}) => data),
    rows: async () =>
      await store.query('SELECT id, rule, state, verdict, reasons, error FROM promotions ORDER BY id'),
  }
}

/** Refuses to be anything but a revision: for what a test is sure of. */
export const sure = (revision: string | null | undefined): string => {
  if (!revision) throw new Error('there is no such revision')
  return revision
}
