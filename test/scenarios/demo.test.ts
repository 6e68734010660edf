// The demo, as a person runs it: what it shows, how it ends, and that nothing of it stays.
import {readdirSync, readFileSync} from 'node:fs'
import test, {type ExecutionContext} from 'ava'
import {Demonstration} from '../support/demonstration.ts'
import {needs, whyNot} from '../support/needs.ts'
import {podmanSocket} from '../support/parts.ts'

// Each starts a master, a worker and containers: one after the other, on a machine with two processors.
test.serial('the demo with --once shows a promotion, ends with 0 and leaves nothing behind', async (t) => {
  const demo = start(t, ['--once'])
  t.is(await demo.ended, 0, demo.said)
  t.regex(
    demo.said,
    whyNot('docker') === null ? /builds run in a container/ : /builds run on this host: no Docker/,
  )
  // The events are told beside the tale, so that a line of it may come between.
  t.regex(demo.said, /check #1 ends: success[^]*check #2 ends: failure[^]*check #3 ends: success/)
  t.regex(demo.said, /stable now is [0-9a-f]{12}, tested green on main/)
  t.regex(demo.said, /waterfall {2}http:\/\/127\.0\.0\.1:\d+\/$/m)
  t.deepEqual(await demo.leftBehind(), [])
})

needs('podman').serial(
  'on Podman alone the demo builds in a container, and leaves nothing behind',
  async (t) => {
    const demo = start(t, ['--once'], {DOCKER_HOST: `unix://${podmanSocket() ?? ''}`})
    t.is(await demo.ended, 0, demo.said)
    t.regex(demo.said, /builds run in a container/)
    t.regex(demo.said, /stable now is [0-9a-f]{12}, tested green on main/)
    t.deepEqual(await demo.leftBehind(podmanSocket()), [])
  },
)

test.serial('without an engine the demo says so and builds on the host', async (t) => {
  const demo = start(t, ['--once'], {DOCKER_HOST: 'unix:///nonexistent.sock'})
  t.is(await demo.ended, 0, demo.said)
  t.regex(demo.said, /builds run on this host: no Docker or Podman socket answers/)
  t.deepEqual(await demo.leftBehind(), [])
})

test.serial('the demo keeps running after its tale, until Ctrl+C, which leaves nothing behind', async (t) => {
  const demo = start(t, [])
  const [, page = ''] = await demo.says(/waterfall {2}(\S+)[^]*press Ctrl\+C/)
  t.is((await fetch(page)).status, 200)
  demo.interrupt()
  t.is(await demo.ended, 0, demo.said)
  t.deepEqual(await demo.leftBehind(), [])
})

test.serial('SIGTERM in the middle of a build ends the demo and leaves nothing behind', async (t) => {
  const demo = start(t, ['--once'])
  await demo.says(/check #1.* runs/)
  demo.interrupt('SIGTERM')
  t.is(await demo.ended, 1, demo.said)
  t.deepEqual(await demo.leftBehind(), [])
})

test.serial('Ctrl+C pressed at once and again and again leaves nothing behind', async (t) => {
  const demo = start(t, [])
  await demo.says(/works in/)
  for (let presses = 0; presses < 3; presses++) {
    demo.interrupt()
    await new Promise((resolve) => setTimeout(resolve, 100))
    if (demo.child.exitCode !== null) break
  }
  // A press in its very last moment, when all is tidied, finds nobody who listens any more.
  t.true([0, 'SIGINT'].includes(await demo.ended), demo.said)
  t.regex(demo.said, /stopping and tidying up/)
  t.deepEqual(await demo.leftBehind(), [])
})

for (const child of ['master', 'worker'] as const)
  test.serial(`when its ${child} dies the demo says so, ends with 1 and leaves nothing behind`, async (t) => {
    const demo = start(t, [])
    await demo.says(/stable-hand is connected/)
    process.kill(childOf(demo, child), 'SIGKILL')
    t.is(await demo.ended, 1, demo.said)
    t.regex(demo.said, new RegExp(`the ${child}.* ended .*SIGKILL`))
    t.deepEqual(await demo.leftBehind(), [])
  })

test('an option that the demo does not know is told', async (t) => {
  const demo = start(t, ['--twice'])
  t.is(await demo.ended, 2)
  t.regex(demo.said, /unknown option --twice; the demo knows --once/)
})

function start(t: ExecutionContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Demonstration {
  t.timeout(180_000)
  const demo = new Demonstration(args, env)
  t.teardown(async () => {
    if (demo.child.exitCode === null && demo.child.signalCode === null) demo.interrupt('SIGTERM')
    await demo.ended
  })
  return demo
}

/** The process id of the demo's `ostler master` or `ostler worker`. */
function childOf(demo: Demonstration, command: 'master' | 'worker'): number {
  const found = readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return words.includes(command) && words.some((word) => word.startsWith(`${demo.folder}/`))
    } catch {
      return false
    }
  })
  if (found === undefined) throw new Error(`the demo runs no ${command}`)
  return Number(found)
}
