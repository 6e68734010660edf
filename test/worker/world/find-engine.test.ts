// Where a worker looks for its container engine, and what it says when there is none.
import {execFileSync} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import test from 'ava'
import {findEngine} from '../../../worker/world/find-engine.ts'
import {eachEngine, ordinaryUid} from '../../support/engines.ts'
import {needs} from '../../support/needs.ts'
import {engineSocket} from '../../support/parts.ts'
import {container} from '../../support/plans.ts'
import {ScriptedMaster} from '../../support/scripted-master.ts'
import {freshDir, plan, startWorker, step} from '../../support/worker-process.ts'

const why = async (...asked: Parameters<typeof findEngine>): Promise<string> => {
  const search = await findEngine(...asked)
  return search.engine === null ? search.why : `found ${search.engine.name}`
}

eachEngine('an engine is found at the socket that is named, in either way', async (t, {name, socket}) => {
  for (const [named, env] of [
    [socket, {}],
    [`unix://${socket}`, {}],
    [null, {CONTAINER_HOST: `unix://${socket}`}],
  ] as const) {
    const {engine} = await findEngine(named, env)
    t.regex(engine?.name ?? '', name === 'Podman' ? /^podman \d/ : /^(docker|podman) \d/)
  }
})

test('a socket that is not there, or at which nobody listens, is told by its name', async (t) => {
  const path = join(freshDir(), 'engine.sock')
  t.is(await why(path, {}), `--engine-socket ${path}: there is no such socket`)
  writeFileSync(path, '')
  t.is(await why(path, {}), `--engine-socket ${path}: nobody listens there`)
  t.is(
    await why(null, {CONTAINER_HOST: `unix://${path}`}),
    `CONTAINER_HOST unix://${path}: nobody listens there`,
  )
})

test('an address of Podman that cannot be used is told with those that can', async (t) => {
  for (const address of ['ssh://core@host/run/podman/podman.sock', 'nonsense'])
    t.is(
      await why(null, {CONTAINER_HOST: address}),
      `CONTAINER_HOST ${address}: only unix:///PATH and tcp://HOST:PORT can be used`,
    )
})

needs('docker', 'docker-group')('a user whom the socket does not let in is told so', (t) => {
  const path = engineSocket() ?? ''
  const module = fileURLToPath(new URL('../../../worker/world/find-engine.js', import.meta.url))
  const script = `import(${JSON.stringify(module)}).then(({findEngine}) => {
    process.setgroups([]), process.setgid(${ordinaryUid}), process.setuid(${ordinaryUid})
    return findEngine(${JSON.stringify(path)}, {})
  }).then(({why}) => (console.log(why), process.exit(0)))`
  const said = execFileSync(process.execPath, ['-e', script], {encoding: 'utf8'})
  t.regex(said, /: this user may not use it; give it to a group that the user is in\n$/)
})

test('a worker without an engine declines container builds, and says why it has none', async (t) => {
  const master = await ScriptedMaster.listen()
  const worker = startWorker(master, {args: ['--engine-socket', '/nonexistent.sock']})
  await master.connectedOnce()
  master.offer('1', plan([step('true')], container('ostler-test/busybox')))
  const reason = '--engine-socket /nonexistent.sock: there is no such socket'
  const declined = await master.until(() => master.heard.find(({say}) => say === 'decline'), 'a decline')
  t.like(declined, {code: 'engine', text: `this worker has no container engine: ${reason}`})
  t.true(worker.said().includes(`engine=none why=${JSON.stringify(reason)}`), worker.said())
  await worker.stop()
  await master.close()
})
