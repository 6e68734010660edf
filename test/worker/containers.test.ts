// Builds in real containers, on each engine.
import {eachStable, type TestEngine} from '../support/engines.ts'
import {checkout, container, repositoryOfOneCommit, stepIn} from '../support/plans.ts'
import {step} from '../support/worker-process.ts'

const debian = container('ostler-test/debian')

for (const image of ['ostler-test/debian', 'ostler-test/busybox'])
  eachStable(`a build runs in one container of ${image}, which is gone at its end`, async (t, stable) => {
    const {master, engine} = stable
    const {fence, end} = await stable.built(
      [
        step('echo in; cat /proc/1/comm; touch kept; echo x >/tmp/y'),
        step('cat /tmp/y; ls; exit 3', {name: 'b'}),
      ],
      container(image),
    )
    t.is(end.result, 'failure', JSON.stringify(master.told(fence).entries))
    const executor = master.entry(fence, 'buildStarted')?.executor ?? ''
    t.regex(executor, engine.name === 'Podman' ? /^container podman \d/ : /^container (docker|podman) \d/)
    t.is(master.log(fence, 0), 'in\nsh\n')
    t.is(master.log(fence, 1), 'x\nkept\n')
    t.deepEqual(await stable.containers(), [])
  })

eachStable('the worker says which engine it builds on and at which socket', async (t, {worker, engine}) => {
  await Promise.resolve()
  const [, name = '', at] = /engine="(\w+) \d[^"]*" at="--engine-socket ([^"]+)"/.exec(worker.said()) ?? []
  t.true(engine.name === 'Podman' ? name === 'podman' : ['docker', 'podman'].includes(name), worker.said())
  t.is(at, engine.socket)
})

eachStable('limits and the reduced rights hold', async (t, stable) => {
  const limited = container('ostler-test/debian', {memoryBytes: 64 * 1024 * 1024, pids: 50, cpus: 1})
  const {fence} = await stable.built(
    [
      step(
        'chown 1000 . && echo chowned; mount -t tmpfs x /mnt || echo no mount; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true',
      ),
    ],
    limited,
  )
  t.regex(stable.master.log(fence), /chowned\n[^]*no mount\n67108864/)
})

eachStable(
  'a step that eats its container’s memory fails with words that say so, and no other does',
  async (t, stable) => {
    for (const image of ['ostler-test/debian', 'ostler-test/busybox']) {
      const eats = 'head -c 200000000 /dev/zero | tail -c 200000000'
      const {fence} = await stable.built(
        [
          step(`echo up; sh -c '${eats} >/dev/null; exit $?' || exit 3`, {haltOnFailure: false}),
          step('exit 137', {name: 'b', haltOnFailure: false}),
          step(`exec sh -c 'x=$(head -c 200000000 /dev/zero | tr "\\0" x); echo $x'`, {name: 'c'}),
        ],
        container(image, {memoryBytes: 64 * 1024 * 1024}),
      )
      const [first, second, third] = stable.master.entries(fence, 'stepEnded')
      t.deepEqual(first?.outcome, {outcome: 'exited', code: 3, outOfMemory: true}, image)
      t.is(first?.summary, 'out of memory: exit code 3')
      t.is(first?.result, 'failure')
      t.regex(stable.master.log(fence), /^up\n[^]*out of memory: [^]* may use 67108864 bytes/)
      t.deepEqual(second?.outcome, {outcome: 'exited', code: 137})
      t.deepEqual(third?.outcome, {outcome: 'exited', code: 137, outOfMemory: true})
      t.is(third?.summary, 'out of memory: exit code 137 (SIGKILL)')
    }
  },
)

eachStable('a step in a container is ended by its limit, with all that left its group', async (t, stable) => {
  for (const image of ['ostler-test/debian', 'ostler-test/busybox']) {
    const {fence} = await stable.built(
      [
        step('trap "" INT TERM; setsid sleep 1000 & while :; do sleep 0.1; done', {maxMs: 400}),
        step('ps -e 2>/dev/null || ps', {name: 'b', alwaysRun: true}),
      ],
      container(image),
    )
    t.like(stable.master.entry(fence, 'stepEnded'), {outcome: {outcome: 'overtime', seconds: 0.4}})
    t.false(stable.master.log(fence, 1).includes('sleep'), image)
  }
})

eachStable('an image that is not there is told by name', async (t, stable) => {
  const {fence, end} = await stable.built([step('true')], container('ostler-test/no-such-image'))
  t.is(end.result, 'exception')
  const {summary = ''} = stable.master.entry(fence, 'stepEnded') ?? {}
  t.regex(summary, /no-such-image" is not on this worker and cannot be pulled: \S/)
  t.deepEqual(await stable.containers(), [])
})

eachStable('what an image lacks is told by name', async (t, stable) => {
  for (const [tool, words] of [
    ['setsid', /lacks what a build needs: setsid$/],
    ['sh', /has no sh: the container did not start/],
  ] as const) {
    const image = await changedImage(stable.engine, `without-${tool}`, ['rm', `/usr/bin/${tool}`])
    t.teardown(() => stable.engine.api.getImage(image).remove({force: true}))
    const {fence, end} = await stable.built([step('true')], container(image))
    t.is(end.result, 'exception')
    t.regex(stable.master.entry(fence, 'stepEnded')?.summary ?? '', words)
    t.deepEqual(await stable.containers(), [])
  }
})

eachStable("where the plan names no user the image's own writes in the workspace", async (t, stable) => {
  const image = await changedImage(stable.engine, 'with-user', ['true'], 'USER 1234:1234')
  t.teardown(() => stable.engine.api.getImage(image).remove({force: true}))
  const steps = [step('id -u; grep CapEff /proc/self/status; touch here')]
  const {fence, end} = await stable.built(steps, container(image))
  t.is(end.result, 'success', stable.master.log(fence))
  t.is(stable.master.log(fence), '1234\nCapEff:\t0000000000000000\n')
})

/** The Debian image after this command; gives back its name. */
async function changedImage({api}: TestEngine, name: string, Cmd: string[], changes?: string) {
  const repo = `ostler-test/${name}-${process.pid}`
  const made = await api.createContainer({Image: 'ostler-test/debian', Cmd})
  try {
    await made.start()
    await made.wait()
    await made.commit({repo, ...(changes && {changes})})
    return repo
  } finally {
    await made.remove({force: true})
  }
}

eachStable('the steps of a container see neither the plan nor the journal', async (t, stable) => {
  const {fence} = await stable.built(
    [step('ls -a /ostler/attempt; grep -r hunter22 /ostler || echo unseen')],
    {...debian, secrets: ['s']},
    {s: 'hunter22'},
  )
  t.regex(stable.master.log(fence), /unseen/)
  t.false(/plan\.json|journal/.test(stable.master.log(fence)))
})

eachStable(
  'a worker killed during a container build goes on with it, and sweeps what is left of others',
  async (t, stable) => {
    const {master, engine} = stable
    const fence = stable.offer(
      [
        step('for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.3; done; exit 7'),
        step('echo b', {name: 'b', alwaysRun: true}),
      ],
      debian,
    )
    await master.until(() => master.log(fence).includes('2'), 'output', 30_000)
    await stable.worker.stop('SIGKILL')
    const Labels = {'ostler.state': stable.state, 'ostler.attempt': '999', 'ostler.worker': 'w1'}
    const stray = await engine.api.createContainer({Image: 'ostler-test/busybox', Cmd: ['true'], Labels})
    t.teardown(() => stray.remove({force: true}).catch(() => undefined))
    t.is((await stable.containers()).length, 2)
    stable.restart()
    const {result} = await master.ended(fence, 30_000)
    t.is(result, 'failure')
    t.is(master.log(fence), '1\n2\n3\n4\n5\n6\n7\n8\n9\n')
    t.like(master.entries(fence, 'stepEnded')[0], {outcome: {outcome: 'exited', code: 7}})
    t.deepEqual(await stable.containers(), [])
  },
)

eachStable('a container that somebody removed makes the build a retry', async (t, stable) => {
  const {master, engine} = stable
  const fence = stable.offer([step('echo up; sleep 100')], debian)
  await master.until(() => master.log(fence).includes('up'), 'output', 30_000)
  for (const {Id} of await stable.containers()) await engine.api.getContainer(Id).remove({force: true})
  t.is((await master.ended(fence, 30_000)).result, 'retry')
})

eachStable(
  'steps that run as another user may write in the workspace, also what was checked out, and where they are told to work',
  async (t, stable) => {
    const {fence, end} = await stable.built(
      [
        checkout(repositoryOfOneCommit()),
        step('id -u; grep CapEff /proc/self/status; touch here src/there', {name: 'b'}),
        stepIn('some/where', 'touch new', 'c'),
      ],
      container('ostler-test/debian', {user: '1234'}),
    )
    const {master} = stable
    t.is(end.result, 'success', master.log(fence, 0) + master.log(fence, 1) + master.log(fence, 2))
    t.is(master.log(fence, 1), '1234\nCapEff:\t0000000000000000\n')
  },
)

eachStable('a program that the image lacks is named with the remedy, git too', async (t, stable) => {
  const {master} = stable
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
  const {fence, end} = await stable.built([git], container('ostler-test/busybox'))
  t.is(end.result, 'failure')
  t.regex(
    master.log(fence),
    /exit code 127: git is not installed in the image "ostler-test\/busybox": install it there, or use the git step, which runs on the host/,
  )
  const script = await stable.built([step('git status')], container('ostler-test/busybox'))
  t.regex(
    master.log(script.fence),
    /git: not found[^]*a program that this step calls is not installed in the image/,
  )
})

eachStable('a fresh checkout is seen by the container that started meanwhile', async (t, stable) => {
  const fresh = checkout(repositoryOfOneCommit(), {mode: 'fresh', workdir: ['']})
  for (const round of [1, 2]) {
    const {fence, end} = await stable.built(
      [step('ls -A', {name: 'before'}), fresh, step('ls -A; touch left', {name: 'after'})],
      {...debian, workspace: 'fresh'},
    )
    t.is(end.result, 'success', `round ${String(round)}: ${stable.master.log(fence, 1)}`)
    t.is(stable.master.log(fence, 2), '.git\n')
  }
})
