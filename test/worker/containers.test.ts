// Builds in real containers.
import {execFileSync} from 'node:child_process'
import test from 'ava'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {needs} from '../support/needs.ts'
import {freshDir, plan, startWorker, step, type WorkerProcess} from '../support/worker-process.ts'
import type {ContainerPlan} from '../../worker/protocol/plan.ts'

let master: ScriptedMaster
let worker: WorkerProcess
const stateDir = freshDir()
let fences = 0
const contained = needs('docker', 'images').serial

const container = (image: string, special: Partial<ContainerPlan> = {}): {container: ContainerPlan} => ({
  container: {image, memoryBytes: null, cpus: null, pids: null, network: 'none', user: null, ...special},
})
const debian = container('ostler-test/debian')
const left = (): string =>
  execFileSync('docker', [
    'ps',
    '-aq',
    '--filter',
    'label=ostler.worker=w1',
    '--filter',
    `label=ostler.build=${stateDir}`,
  ])
    .toString()
    .trim()

test.before(async () => {
  master = await ScriptedMaster.listen()
  worker = startWorker(master, {stateDir, args: []})
  await master.connectedOnce()
})
test.after.always(async () => {
  await worker.stop()
  await master.close()
})

async function built(steps: Parameters<typeof plan>[0], special: Parameters<typeof plan>[1], secrets = {}) {
  const fence = String(++fences)
  master.offer(fence, plan(steps, {build: stateDir, workspace: `w${fence}`, ...special}), secrets)
  const end = await master.ended(fence, 60_000)
  return {fence, end}
}

for (const image of ['ostler-test/debian', 'ostler-test/busybox'])
  contained(`a build runs in one container of ${image}, which is gone at its end`, async (t) => {
    const {fence, end} = await built(
      [
        step('echo in; cat /proc/1/comm; touch kept; echo x >/tmp/y'),
        step('cat /tmp/y; ls; exit 3', {name: 'b'}),
      ],
      container(image),
    )
    t.is(end.result, 'failure', JSON.stringify(master.told(fence).entries))
    t.regex(master.entry(fence, 'buildStarted')?.executor ?? '', /^container (docker|podman) /)
    t.is(master.log(fence, 0), 'in\nsh\n')
    t.is(master.log(fence, 1), 'x\nkept\n')
    t.is(left(), '')
  })

contained('limits and the reduced rights hold', async (t) => {
  const limited = container('ostler-test/debian', {memoryBytes: 64 * 1024 * 1024, pids: 50, cpus: 1})
  const {fence} = await built(
    [
      step(
        'chown 1000 . && echo chowned; mount -t tmpfs x /mnt || echo no mount; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true',
      ),
    ],
    limited,
  )
  t.regex(master.log(fence), /chowned\n[^]*no mount\n67108864/)
})

contained('a step in a container is ended by its limit, with all that left its group', async (t) => {
  for (const image of ['ostler-test/debian', 'ostler-test/busybox']) {
    const {fence} = await built(
      [
        step('trap "" INT TERM; setsid sleep 1000 & while :; do sleep 0.1; done', {maxMs: 400}),
        step('ps -e 2>/dev/null || ps', {name: 'b', alwaysRun: true}),
      ],
      container(image),
    )
    t.like(master.entry(fence, 'stepEnded'), {outcome: {outcome: 'overtime', seconds: 0.4}})
    t.false(master.log(fence, 1).includes('sleep'), image)
  }
})

contained('an image that is not there, and one that lacks the tools, are told by name', async (t) => {
  const none = await built([step('true')], container('ostler-test/no-such-image'))
  t.is(none.end.result, 'exception')
  t.regex(master.entry(none.fence, 'stepEnded')?.summary ?? '', /no-such-image.*cannot be pulled/)
  t.is(left(), '')
})

contained('the steps of a container see neither the plan nor the journal', async (t) => {
  const {fence} = await built(
    [step('ls -a /ostler/attempt; grep -r hunter22 /ostler || echo unseen')],
    {...debian, secrets: ['s']},
    {s: 'hunter22'},
  )
  t.regex(master.log(fence), /unseen/)
  t.false(/plan\.json|journal/.test(master.log(fence)))
})

contained(
  'a worker killed during a container build goes on with it, and sweeps what is left of others',
  async (t) => {
    const fence = String(++fences)
    master.offer(
      fence,
      plan(
        [
          step('for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.3; done; exit 7'),
          step('echo b', {name: 'b', alwaysRun: true}),
        ],
        {build: stateDir, workspace: 'killed', ...debian},
      ),
    )
    await master.until(() => master.log(fence).includes('2'), 'output', 30_000)
    await worker.stop('SIGKILL')
    const [state] = execFileSync('docker', [
      'inspect',
      '-f',
      '{{index .Config.Labels "ostler.state"}}',
      left(),
    ])
      .toString()
      .trim()
      .split('\n')
    execFileSync('docker', [
      'create',
      '--label',
      `ostler.state=${state}`,
      '--label',
      'ostler.attempt=999',
      '--label',
      'ostler.worker=w1',
      '--label',
      `ostler.build=${stateDir}`,
      'ostler-test/busybox',
      'true',
    ])
    worker = startWorker(master, {stateDir, args: []})
    const {result} = await master.ended(fence, 30_000)
    t.is(result, 'failure')
    t.is(master.log(fence), '1\n2\n3\n4\n5\n6\n7\n8\n9\n')
    t.like(master.entries(fence, 'stepEnded')[0], {outcome: {outcome: 'exited', code: 7}})
    t.is(left(), '')
  },
)

contained('a container that somebody removed makes the build a retry', async (t) => {
  const fence = String(++fences)
  master.offer(fence, plan([step('echo up; sleep 100')], {build: stateDir, workspace: 'removed', ...debian}))
  await master.until(() => master.log(fence).includes('up'), 'output', 30_000)
  execFileSync('docker', ['rm', '-f', left()])
  t.is((await master.ended(fence, 30_000)).result, 'retry')
})

contained(
  'steps that run as another user may write in the workspace, also what was checked out',
  async (t) => {
    const repository = freshDir()
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', repository, '-c', 'user.name=a', '-c', 'user.email=a@x', ...args])
    git('init', '-q', '-b', 'main')
    git('commit', '-q', '--allow-empty', '-m', 'one')
    const checkout = step('', {
      command: {
        command: 'checkout',
        name: 'src',
        url: [repository],
        branch: ['main'],
        revision: [''],
        workdir: ['src'],
        mode: 'clean',
        depth: null,
        submodules: false,
      },
    })
    const {fence, end} = await built(
      [checkout, step('id -u; touch here src/there', {name: 'b'})],
      container('ostler-test/debian', {user: '1234'}),
    )
    t.is(end.result, 'success', master.log(fence, 0) + master.log(fence, 1))
    t.is(master.log(fence, 1), '1234\n')
  },
)

contained('a program that the image lacks is named with the remedy, git too', async (t) => {
  const git = step('', {
    command: {
      command: 'spawn',
      argv: [['git'], ['status']],
      script: null,
      workdir: [''],
      capture: null,
      junit: [],
    },
  })
  const {fence, end} = await built([git], container('ostler-test/busybox'))
  t.is(end.result, 'failure')
  t.regex(
    master.log(fence),
    /exit code 127: git is not installed in the image "ostler-test\/busybox": install it there, or use the git step, which runs on the host/,
  )
  const script = await built([step('git status')], container('ostler-test/busybox'))
  t.regex(
    master.log(script.fence),
    /git: not found[^]*a program that this step calls is not installed in the image/,
  )
})

contained('a fresh checkout is seen by the container that started meanwhile', async (t) => {
  const dir = freshDir()
  const git = (...argv: string[]) =>
    execFileSync('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@x', ...argv])
  git('init', '-q', '-b', 'main')
  git('commit', '-q', '--allow-empty', '-m', 'one')
  const checkout = step('', {
    name: 'git',
    command: {
      command: 'checkout', name: 'src', url: [dir], branch: ['main'], revision: [''], workdir: [''], mode: 'fresh', depth: null, submodules: false,
    }, // prettier-ignore
  })
  for (const round of [1, 2]) {
    const {fence, end} = await built(
      [step('ls -A', {name: 'before'}), checkout, step('ls -A; touch left', {name: 'after'})],
      {...debian, workspace: 'fresh'},
    )
    t.is(end.result, 'success', `round ${round}: ${master.log(fence, 1)}`)
    t.is(master.log(fence, 2), '.git\n')
  }
})
