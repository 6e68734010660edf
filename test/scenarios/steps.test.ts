// What steps do, seen from outside: limits, cancels, tries, flags, warnings, secrets, reports, properties, and that nothing
// of a build is left on the machine.
import {setTimeout as sleep} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import type {Build, Page, Step} from '../../scripts/api.ts'
import {until} from '../../scripts/processes.ts'
import {buildProcesses} from '../support/marked.ts'
import {sharedSystem} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const quick = {intGrace: '1s', termGrace: '1s'}
const clean = sh('clean', 'echo cleaned', {alwaysRun: true})
const junit =
  '<testsuite><testcase classname="c" name="good"/><testcase classname="c" name="bad"><failure message="no">why</failure></testcase></testsuite>'
const secret = 'hunter22-swordfish'

const builders = [
  builder(
    'silent',
    [sh('s', 'echo up; sleep 600', {timeout: '1s', haltOnFailure: true}), sh('n', 'true'), clean],
    quick,
  ),
  builder('speaking', [sh('s', 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done', {timeout: '1s'})]),
  builder('overtime', [sh('s', 'while :; do echo x; sleep 0.2; done', {maxTime: '1s'})], quick),
  builder('late', [sh('s', 'sleep 600'), sh('n', 'true'), clean], {...quick, timeout: '2s'}),
  builder(
    'polite',
    [sh('s', 'trap "echo tidied; exit 0" INT; echo up; while :; do sleep 0.05; done'), clean],
    quick,
  ),
  builder('deaf', [sh('s', 'trap "" INT TERM; echo up; while :; do sleep 0.1; done')], quick),
  builder(
    'forked',
    [sh('s', 'setsid sh -c "trap \\"\\" INT TERM HUP; while :; do sleep 0.1; done" & echo up; wait')],
    quick,
  ),
  builder('leaves', [
    sh('s', 'setsid sleep 600 >/dev/null 2>&1 & nohup sleep 601 >/dev/null 2>&1 & echo up'),
  ]),
  builder('closes', [sh('s', 'echo before; exec >&- 2>&-; sleep 1; exit 5')]),
  builder('tries', [
    sh('s', 'echo try; [ -e again ] || { touch again; exit 75; }', {retry: {times: 2, on: ['temporary']}}),
  ]),
  builder('notTried', [sh('s', 'echo try; exit 1', {retry: {times: 2, on: ['temporary']}})]),
  builder('flags', [
    sh('soft', 'exit 1', {flunkOnFailure: false}),
    sh('warns', 'exit 1', {flunkOnFailure: false, warnOnFailure: true}),
    sh('green', 'echo $0', {when: "result == 'success'"}),
    sh('yellow', 'true', {when: "result == 'warnings'"}),
    sh('flunks', 'exit 1'),
    sh('goesOn', 'true'),
    sh('halts', 'exit 1', {haltOnFailure: true}),
    sh('never', 'true'),
    clean,
  ]),
  builder('warnings', [
    sh('s', 'echo "warning: a"; echo fine; echo "a warning: b"; printf "warning: c"', {
      warningPattern: '^warning:',
    }),
  ]),
  builder('junit', [
    sh('s', `mkdir r; echo '${junit}' >r/a.xml; echo '<broken' >r/b.xml; exit 1`, {
      tests: {junit: 'r/*.xml'},
    }),
  ]),
  builder(
    'properties',
    [
      {kind: 'setPropertyFromCommand', name: 'version', command: 'echo " 1.2.3 "', property: 'version'},
      {
        kind: 'shell',
        name: 's',
        command: 'echo v=${props.version:3} c=${props.colour:-none} $GREETING',
        env: {GREETING: 'hello ${props.who}'},
      },
      {kind: 'shell', name: 'argv', command: ['printf', '[%s]', 'a b', '${props.version}', "it's"]},
    ],
    {properties: {who: 'you'}},
  ),
  builder('unset', [
    {kind: 'setPropertyFromCommand', name: 'p', when: 'false', command: 'true', property: 'nowhere'},
    {kind: 'shell', name: 's', command: 'echo ${props.nowhere}'},
  ]),
  builder('secret', [
    {
      kind: 'shell',
      name: 's',
      env: {KEY: '${secret.key}'},
      command:
        'printf %.9s "$KEY"; sleep 0.6; printf "%s\\n" "$KEY" | cut -c10-; printf %s "$KEY" | base64; echo "$KEY$KEY"; cat /proc/self/environ | tr "\\0" "\\n" | grep KEY; exit 3',
    },
    {
      kind: 'setPropertyFromCommand',
      name: 'p',
      env: {KEY: '${secret.key}'},
      command: 'echo "$KEY"',
      property: 'leak',
    },
    {
      kind: 'shell',
      name: 'args',
      command: ['sh', '-c', 'echo "$1"; tr "\\0" " " </proc/$$/cmdline', 'x', '${secret.key}'],
    },
  ]),
]

const system = sharedSystem({
  config: () => written(builders, {workers: [{name: 'w1', maxBuilds: 4}]}),
  workers: [{name: 'w1', maxBuilds: 4}],
  env: {OSTLER_SECRET_KEY: secret},
})

interface Built {
  readonly build: Build
  readonly steps: readonly Step[]
  /** `step result` of each. */
  readonly results: readonly string[]
}

async function seen(buildset: string): Promise<Built> {
  const [build] = await system().builds(buildset)
  if (!build) throw new Error('no build')
  const steps = await system().steps(build.id)
  return {build, steps, results: steps.map(({name, result}) => `${name} ${result ?? ''}`)}
}

const built = async (name: string): Promise<Built> => seen(await system().force('force', {builder: name}))

/** A build that is under way when its first log says `up`, then cancelled. */
async function cancelled(name: string): Promise<Built & {seconds: number}> {
  const buildset = await system().force('force', {builder: name})
  const id = await until('the step is up', async () => {
    const {items} = await system().api.get<Page<Build>>(`/builds?builder=${name}&limit=1`)
    const [build] = items
    if (!build || build.buildset !== buildset) return null
    return (
      await system()
        .log(build.id, 's')
        .catch(() => '')
    ).includes('up')
      ? build.id
      : null
  })
  const begun = Date.now()
  await system().api.post(`/builds/${id}/cancel`, {reason: 'enough'})
  const ended = await seen(buildset)
  return {...ended, seconds: (Date.now() - begun) / 1000}
}

const log = (built: Built, step = 's') => system().log(built.build.id, step)
const gone = async (t: ExecutionContext, text: string) => {
  const left = () => buildProcesses(system().folder).filter((line) => line.includes(text))
  await until('its processes are gone', async () => (left().length === 0 ? true : null), {
    withinMs: 3000,
  }).catch(() => undefined)
  t.deepEqual(left(), [])
}

test('a silent step is ended, what follows is not run, what always runs is', async (t) => {
  const b = await built('silent')
  t.is(b.build.result, 'failure')
  t.deepEqual(b.results, ['s failure', 'n skipped', 'clean success'])
  t.regex(b.steps[0]?.summary ?? '', /silent|output/i)
  t.is(await log(b), 'up\n')
  await gone(t, 'sleep 600')
})

test('a step that speaks in time is not silent', async (t) =>
  t.is((await built('speaking')).build.result, 'success'))

test('a step over its time is ended', async (t) => {
  const b = await built('overtime')
  t.is(b.build.result, 'failure')
  t.regex(b.steps[0]?.summary ?? '', /1 ?s/)
})

test('a build over its time ends as a failure and still cleans up', async (t) => {
  const b = await built('late')
  t.is(b.build.result, 'failure')
  t.deepEqual(b.results, ['s failure', 'n skipped', 'clean success'])
})

test('a cancelled step may end well on INT', async (t) => {
  const b = await cancelled('polite')
  t.is(b.build.result, 'cancelled')
  t.is(b.build.cancelled?.reason, 'enough')
  t.is(b.build.cancelled?.by, 'admin')
  t.is(await log(b), 'up\ntidied\n')
  t.deepEqual(b.results, ['s cancelled', 'clean success'])
})

test('a cancelled step that ignores INT and TERM is killed after its grace', async (t) => {
  const b = await cancelled('deaf')
  t.is(b.build.result, 'cancelled')
  t.true(b.seconds < 12, `${b.seconds} s`)
  await gone(t, 'trap')
})

test('a cancelled step that forked away into its own session is ended whole', async (t) => {
  const b = await cancelled('forked')
  t.is(b.build.result, 'cancelled')
  await gone(t, 'trap')
})

test('what a step leaves behind is ended with its build', async (t) => {
  const b = await built('leaves')
  t.is(b.build.result, 'success')
  await gone(t, 'sleep 60')
})

test('a step that closes its output and lives on is waited for', async (t) => {
  const b = await built('closes')
  t.is(b.build.result, 'failure')
  t.is(await log(b), 'before\n')
  t.regex(b.steps[0]?.summary ?? '', /5/)
})

test('a temporary failure is tried again, with one log for all tries', async (t) => {
  const b = await built('tries')
  t.is(b.build.result, 'success')
  t.is(b.steps[0]?.attempts, 2)
  t.regex(await log(b), /^try\n.*try 2 of 3.*\ntry\n$/)
})

test('a failure that is not temporary is not tried again', async (t) => {
  const b = await built('notTried')
  t.is(b.build.result, 'failure')
  t.is(b.steps[0]?.attempts, 1)
})

test('flags and conditions decide what a failure means and what runs', async (t) => {
  const b = await built('flags')
  t.is(b.build.result, 'failure')
  t.deepEqual(b.results, [
    'soft failure', 'warns failure', 'green skipped', 'yellow success', 'flunks failure', 'goesOn success', 'halts failure', 'never skipped', 'clean success',
  ]) // prettier-ignore
})

test('lines that look like warnings are counted', async (t) => {
  const b = await built('warnings')
  t.is(b.build.result, 'warnings')
  t.is(b.steps[0]?.warnings, 2)
})

test('JUnit reports are counted and failures named', async (t) => {
  const b = await built('junit')
  t.deepEqual(b.steps[0]?.tests, {
    passed: 1,
    failed: 1,
    skipped: 0,
    failures: [{name: 'c.bad', text: 'no\nwhy'}],
  })
  t.regex(await log(b), /b\.xml/)
})

test('properties fill holes, and a command sets one', async (t) => {
  const b = await built('properties')
  t.is(b.build.result, 'success')
  t.is(await log(b), 'v=1.2 c=none hello you\n')
  t.is(await log(b, 'argv'), "[a b][1.2.3][it's]")
  t.is(b.build.properties['version'], '1.2.3')
})

test('a property that is not set is named', async (t) => {
  const b = await built('unset')
  t.is(b.build.result, 'exception')
  t.regex(b.steps[1]?.summary ?? '', /nowhere/)
})

test('a secret is nowhere in what the API shows, also when it comes in pieces', async (t) => {
  const b = await built('secret')
  t.is(await log(b), '***\n***\n******\nKEY=***\n')
  t.is(b.build.properties['leak'], '***')
  t.false((await log(b, 'args')).includes('swordfish'))
  const {api} = system()
  await sleep(200)
  const paths = [
    '/builds',
    `/builds/${b.build.id}`,
    `/builds/${b.build.id}/steps`,
    '/waterfall',
    '/builders',
    '/requests',
    '/schedulers',
    '/workers',
    '/config',
    '/changes',
  ]
  for (const path of paths) {
    const text = await api.text(path).catch(() => '')
    for (const leak of [secret, Buffer.from(secret).toString('base64')]) t.false(text.includes(leak), path)
  }
  t.false([...system().master.process.lines, ...system().worker('w1').lines].join('\n').includes(secret))
})
