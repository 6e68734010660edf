// Retention through the whole system: what is older than the configuration keeps goes, from tables and disk.
import {existsSync, readdirSync, utimesSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import test from 'ava'
import {type Api, type Artifact, type Build, type Page, Refused} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {System, type Database} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const config = (retention: object) => (folder: string) =>
  written(
    [
      builder('b', [
        sh('s', 'echo hello; echo "$OSTLER_BUILD_NUMBER" >file; echo same >same'),
        {kind: 'upload', files: ['file', 'same'], artifact: 'kept'},
      ]),
      builder('slow', [sh('s', `echo up; while [ ! -e ${folder}/go ]; do sleep 0.1; done`)]),
    ],
    {retention, workers: [{name: 'w1', maxBuilds: 2}]},
  )

const statusOf = (api: Api, path: string) =>
  api.fetch(path).then(
    ({status}) => status,
    (error: unknown) => (error instanceof Refused ? error.status : -1),
  )
const filesIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, {recursive: true, withFileTypes: true})
        .filter((each) => each.isFile())
        .map((each) => join(each.parentPath, each.name))
    : []

for (const database of ['embedded', 'postgresql'] as const satisfies Database[]) {
  const on = database === 'embedded' ? test : needs('postgresql')
  on(
    `builds, logs and artifacts go when they are too old, and nothing else does (${database})`,
    async (t) => {
      const system = await System.start(t, {
        config: config({}),
        database,
        workers: [{name: 'w1', maxBuilds: 2}],
      })
      const {api, folder} = system
      const builds: Build[] = []
      for (let n = 0; n < 3; n++)
        builds.push(...(await system.builds(await system.force('force', {builder: 'b'}))))
      const [first, , last] = builds
      const artifacts = (await api.get<Page<Artifact>>('/artifacts')).items
      t.is(artifacts.length, 6)
      const shelves = join(folder, 'master', 'artifacts')
      t.is(filesIn(shelves).length, 4)
      for (const file of filesIn(shelves)) utimesSync(file, 0, 0)
      const logsOf = async (build: string) =>
        (await system.steps(build)).flatMap(({logs}) => logs.map(({id}) => id))
      const [oldLog = ''] = await logsOf(last?.id ?? '')
      const slow = await system.force('force', {builder: 'slow'})
      await system.event(({type, data}) => type === 'build.started' && data['builder'] === 'slow')

      system.configure(config({builds: '1s', logs: '1s', artifacts: null, keepLatest: 1})(folder))
      await sleep(1100)
      process.kill(system.master.process.pid, 'SIGHUP')
      await system.until('the old builds are gone', async () =>
        (await statusOf(api, `/builds/${first?.id}`)) === 404 ? true : null,
      )
      t.deepEqual(
        (await api.get<Page<Build>>('/builds?builder=b')).items.map(({id}) => id),
        [last?.id],
      )
      t.is(await statusOf(api, `/logs/${oldLog}/raw`), 410)
      t.is(await statusOf(api, `/buildsets/${first?.buildset}`), 404)
      t.is(await statusOf(api, `/buildsets/${last?.buildset}`), 200)
      await system.until('their files are gone', async () => (filesIn(shelves).length === 2 ? true : null))
      const kept = (await api.get<Page<Artifact>>(`/artifacts?build=${last?.id}`)).items
      for (const {id} of kept) t.is(await statusOf(api, `/artifacts/${id}`), 200)
      t.is(await statusOf(api, '/waterfall'), 200)
      writeFileSync(join(folder, 'go'), '')
      const [running] = await system.builds(slow)
      t.is(running?.result, 'success')
      t.is(await system.log(running?.id ?? '', 's'), 'up\n')

      system.configure(config({builds: null, logs: null, artifacts: '1s', keepLatest: 1})(folder))
      process.kill(system.master.process.pid, 'SIGHUP')
      await system.until('the last artifacts are gone', async () =>
        filesIn(shelves).length === 0 ? true : null,
      )
      t.is(await statusOf(api, `/artifacts/${kept[0]?.id}`), 404)
      t.is(await statusOf(api, `/builds/${last?.id}`), 200)
      t.is((await system.builds(await system.force('force', {builder: 'b'})))[0]?.result, 'success')
    },
  )
}
