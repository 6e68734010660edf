// Whole builds through a real worker process, a real websocket and real processes on the host.
import {execFileSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {crc32} from 'node:zlib'
import test from 'ava'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {plan, startWorker, step, type WorkerProcess} from '../support/worker-process.ts'

let master: ScriptedMaster
let worker: WorkerProcess
let fences = 0
const nextFence = (): string => String(++fences)

test.before(async () => {
  master = await ScriptedMaster.listen()
  worker = startWorker(master)
  await master.connectedOnce()
})
test.after.always(async () => {
  await worker.stop()
  await master.close()
})

test.serial('a build of two steps runs in order and tells its output', async (t) => {
  const fence = nextFence()
  master.offer(fence, plan([step('echo one; echo two >&2'), step('echo three; exit 4', {name: 'second'})]))
  const {result, summary} = await master.ended(fence)
  t.is(result, 'failure')
  t.is(summary, 'failure: second')
  t.is(master.log(fence, 0), 'one\ntwo\n')
  t.is(master.log(fence, 1), 'three\n')
  const ends = master.entries(fence, 'stepEnded')
  t.deepEqual(
    ends.map(({outcome}) => outcome),
    [
      {outcome: 'exited', code: 0},
      {outcome: 'exited', code: 4},
    ],
  )
  t.deepEqual(master.told(fence).faults, [])
})

const outcomes = (fence: string): unknown[] => master.entries(fence, 'stepEnded').map(({outcome}) => outcome)

async function built(
  steps: Parameters<typeof plan>[0],
  special: Parameters<typeof plan>[1] = {},
  secrets: Record<string, string> = {},
) {
  const fence = nextFence()
  master.offer(fence, plan(steps, {workspace: `w${fence}`, ...special}), secrets)
  return {fence, end: await master.ended(fence)}
}

test.serial('a program gets its words as they are, whatever characters they hold', async (t) => {
  const words = ["it's", '$HOME', '`id`', '"q"', 'a\nb', '*', 'ü\u0001', '-n', '', 'back\\slash']
  const argv = [['printf'], ['[%s]'], ...words.map((word) => [word])]
  const {fence} = await built([
    step('', {command: {command: 'spawn', argv, script: null, workdir: ['a b'], capture: null, junit: []}}),
  ])
  t.is(master.log(fence), words.map((word) => `[${word}]`).join(''))
})

test.serial('steps begin with a small clean environment, and what the plan gives', async (t) => {
  const env = {GREETING: ["it's ", {prop: 'who'}], 'odd.name': ['odd'], UID: ['7']}
  const {fence} = await built(
    [
      step('', {
        env,
        command: {command: 'spawn', argv: [['env']], script: null, workdir: [''], capture: null, junit: []},
      }),
    ],
    {properties: {who: 'me'}, env: {FROM_BUILD: ['yes']}},
  )
  const names = master.log(fence).split('\n')
  for (const line of [
    "GREETING=it's me",
    'odd.name=odd',
    'UID=7',
    'FROM_BUILD=yes',
    'CI=true',
    'OSTLER_BUILDER=b',
    'OSTLER_BUILD_NUMBER=1',
  ])
    t.true(names.includes(line), line)
  t.false(master.log(fence).includes(master.token))
})

test.serial('what a step captures is a property of the next, without its white space', async (t) => {
  const capture = {
    command: 'spawn',
    argv: null,
    script: ['echo; echo " 1.2 "; echo told >&2'],
    workdir: [''],
    capture: 'version',
    junit: [],
  } as const
  const {fence, end} = await built([
    step('', {command: {...capture, script: [...capture.script], workdir: [''], junit: []}}),
    step('', {
      name: 'next',
      when: "props.version == '1.2'",
      command: {
        command: 'spawn',
        argv: [['echo'], [{prop: 'version', take: 2}]],
        script: null,
        workdir: [''],
        capture: null,
        junit: [],
      },
    }),
  ])
  t.is(end.result, 'success')
  t.is(master.entry(fence, 'propertySet')?.value, '1.2')
  t.is(master.log(fence, 0), 'told\n\n 1.2 \n')
  t.is(master.log(fence, 1), '1.\n')
})

test.serial('a property that is not set ends the step as an exception that names it', async (t) => {
  const {fence, end} = await built([step('', {env: {A: [{prop: 'nowhere'}]}})])
  t.is(end.result, 'exception')
  t.regex(master.entry(fence, 'stepEnded')?.summary ?? '', /"nowhere" is not set/)
})

test.serial('a missing program is exit code 127 and said in the log', async (t) => {
  const {fence} = await built([
    step('', {
      command: {
        command: 'spawn',
        argv: [['no-such-program']],
        script: null,
        workdir: [''],
        capture: null,
        junit: [],
      },
    }),
  ])
  t.deepEqual(outcomes(fence), [{outcome: 'exited', code: 127}])
  t.regex(master.log(fence), /no-such-program/)
})

test.serial('a working directory outside the workspace is refused', async (t) => {
  const {fence} = await built([
    step('', {
      command: {
        command: 'spawn',
        argv: [['true']],
        script: null,
        workdir: ['../../..'],
        capture: null,
        junit: [],
      },
    }),
  ])
  t.like(outcomes(fence)[0], {outcome: 'broken'})
})

test.serial('secrets are masked in output, in properties and in summaries, also across pieces', async (t) => {
  const script = 'printf "key hun"; sleep 0.4; echo ter22; printf %s "$KEY" | base64; printf "%s" "$KEY"'
  const command = {
    command: 'spawn',
    argv: null,
    script: [script],
    workdir: [''],
    capture: 'leak',
    junit: [],
  } as const
  const {fence} = await built(
    [
      step('', {
        env: {KEY: [{secret: 'key'}]},
        command: {...command, script: [script], workdir: [''], junit: []},
      }),
    ],
    {secrets: ['key']},
    {key: 'hunter22'},
  )
  t.false(JSON.stringify(master.told(fence).entries).includes('hunter22'))
  t.is(master.log(fence), 'key ***\n***\n***')
  t.regex(String(master.entry(fence, 'propertySet')?.value), /^key \*\*\*\n/)
})

test.serial('a step that is silent for too long is ended, one that speaks is not', async (t) => {
  const {fence} = await built([
    step('for i in 1 2 3 4; do echo $i; sleep 0.3; done', {silenceMs: 900}),
    step('echo a; sleep 60', {name: 'silent', silenceMs: 300}),
  ])
  t.deepEqual(outcomes(fence), [
    {outcome: 'exited', code: 0},
    {outcome: 'silent', seconds: 0.3},
  ])
})

test.serial('a step that runs for too long is ended though it ignores INT and TERM', async (t) => {
  const begun = Date.now()
  const {fence} = await built([step('trap "" INT TERM; while :; do sleep 0.1; done', {maxMs: 300})])
  t.deepEqual(outcomes(fence), [{outcome: 'overtime', seconds: 0.3}])
  t.true(Date.now() - begun < 5000)
})

test.serial(
  'what a step started is gone when its end was ordered, before the next step begins',
  async (t) => {
    const stubborn = (seconds: number) => `sh -c 'trap "" INT TERM; exec sleep ${seconds}' &`
    const alive = "ps -eo args | grep -c '^sleep 7650[12]'"
    const {fence} = await built([
      step(`${stubborn(76501)} setsid ${stubborn(76502)} echo up; while :; do sleep 0.1; done`, {maxMs: 400}),
      // A signal is not waited for.
      step(`i=0; while [ "$(${alive})" != 0 ] && [ $i -lt 30 ]; do i=$((i+1)); sleep 0.1; done; ${alive}`, {
        name: 'look',
        alwaysRun: true,
      }),
    ])
    t.is(master.log(fence, 1), '0\n')
  },
)

test.serial('INT comes first, so that a program can end well', async (t) => {
  const {fence} = await built([
    step('trap "echo tidied; exit 0" INT; echo up; while :; do sleep 0.05; done', {maxMs: 400}),
  ])
  t.is(master.log(fence), 'up\ntidied\n')
})

test.serial('a build over its time ends as a failure, and what always runs still runs', async (t) => {
  const {fence, end} = await built(
    [step('sleep 60'), step('true', {name: 'second'}), step('echo clean', {name: 'clean', alwaysRun: true})],
    {timeoutMs: 400},
  )
  t.is(end.result, 'failure')
  t.deepEqual(
    master.entries(fence, 'stepEnded').map(({result}) => result),
    ['failure', 'skipped', 'success'],
  )
  t.is(master.log(fence, 2), 'clean\n')
})

test.serial(
  'a cancelled build ends its processes, also those that left the group, and cleans up',
  async (t) => {
    const fence = nextFence()
    const script = 'setsid sh -c "exec sleep 98765" & echo up; exec sleep 98765'
    master.offer(
      fence,
      plan([step(script), step('true', {name: 'b'}), step('echo clean', {name: 'c', alwaysRun: true})], {
        workspace: 'cancel',
      }),
    )
    await master.until(() => master.log(fence).includes('up'), 'output')
    master.say({say: 'cancel', attempt: fence, reason: 'enough'})
    const {result, summary} = await master.ended(fence)
    t.deepEqual([result, summary], ['cancelled', 'cancelled: enough'])
    t.deepEqual(
      master.entries(fence, 'stepEnded').map(({result}) => result),
      ['cancelled', 'skipped', 'success'],
    )
    t.is(running('sleep 98765'), 0)
  },
)

test.serial(
  'a step ends when its main process ends; what it left behind is ended with the build',
  async (t) => {
    const {fence, end} = await built([
      step('(sleep 0.3; echo late) & setsid sleep 87654 & echo now'),
      step('sleep 0.5', {name: 'b'}),
    ])
    t.is(end.result, 'success')
    t.true(master.log(fence).startsWith('now\n'))
    const [first] = master.entries(fence, 'stepEnded')
    const [start] = master.entries(fence, 'stepStarted')
    t.true((first?.at ?? 0) - (start?.at ?? 0) < 300)
    t.is(running('sleep 87654'), 0)
  },
)

test.serial('a step that closes its output and lives on is waited for', async (t) => {
  const {fence} = await built([step('echo before; exec >&- 2>&-; sleep 0.4; exit 5')])
  t.deepEqual(outcomes(fence), [{outcome: 'exited', code: 5}])
  t.is(master.log(fence), 'before\n')
})

test.serial('a step ended by a signal of its own has 128 and the signal as its code', async (t) => {
  const {fence} = await built([step('kill -KILL $$')])
  t.deepEqual(outcomes(fence), [{outcome: 'exited', code: 137}])
  t.regex(master.entry(fence, 'stepEnded')?.summary ?? '', /SIGKILL/)
})

test.serial('tries share a log that tells them apart', async (t) => {
  const script = 'if [ -e again ]; then echo well; else touch again; echo ill; exit 75; fi'
  const {fence, end} = await built([step(script, {retry: {times: 2, delayMs: 50, on: ['temporary']}})])
  t.is(end.result, 'success')
  t.regex(master.log(fence), /^ill\n.*--- try 2 of 3 ---.*\nwell\n$/)
  t.deepEqual(
    master.entries(fence, 'stepEnded').map(({try: tries, final}) => [tries, final]),
    [
      [1, false],
      [2, true],
    ],
  )
  t.is(master.entries(fence, 'logEnded').length, 1)
})

test.serial('lines that look like warnings are counted and make the build warnings', async (t) => {
  const {fence, end} = await built([
    step('echo warning: a; echo fine; echo "a warning: b"; printf "warning: c"', {
      warningPattern: '^warning:',
    }),
  ])
  t.is(end.result, 'warnings')
  t.is(master.entry(fence, 'stepEnded')?.warnings, 2)
})

test.serial('first bytes are seen at once', async (t) => {
  const fence = nextFence()
  master.offer(fence, plan([step('sleep 0.5; date +%s%N; sleep 1')], {workspace: 'first'}))
  await master.until(() => master.log(fence).includes('\n'), 'output')
  t.true(Date.now() - Number(master.log(fence)) / 1e6 < 200)
  await master.ended(fence)
})

test.serial('JUnit reports are counted, with the first failures by name', async (t) => {
  const report =
    '<testsuites><testsuite><testcase classname="c" name="ok"/><testcase classname="c" name="bad"><failure message="no">why</failure></testcase><testcase name="left"><skipped/></testcase></testsuite></testsuites>'
  const command = {
    command: 'spawn',
    argv: null,
    script: [`mkdir -p r; echo '${report}' >r/a.xml; echo '<broken' >r/b.xml`],
    workdir: [''],
    capture: null,
    junit: [['r/*.xml']],
  } as const
  const {fence} = await built([
    step('', {command: {...command, script: [...command.script], workdir: [''], junit: [['r/*.xml']]}}),
  ])
  const {passed, failed, skipped, failures} = master.entry(fence, 'testsCounted') ?? {}
  t.deepEqual(
    {passed, failed, skipped, failures},
    {passed: 1, failed: 1, skipped: 1, failures: [{name: 'c.bad', text: 'no\nwhy'}]},
  )
  t.regex(master.log(fence), /b\.xml: not a JUnit report/)
})

test.serial('a log of any bytes, without a line feed, arrives as it was', async (t) => {
  const {fence} = await built([step('head -c 3000000 /dev/urandom | tr -d "\\n" >x; cat x; sha256sum <x')])
  const log = Buffer.concat(master.told(fence).logs.get('0 stdio') ?? [])
  const sum = log.subarray(-68).toString().slice(0, 64)
  t.is(createHash('sha256').update(log.subarray(0, -68)).digest('hex'), sum)
  t.is(master.entry(fence, 'logEnded')?.bytes, log.length)
  t.is(master.entry(fence, 'logEnded')?.crc32, crc32(log))
  t.deepEqual(master.told(fence).faults, [])
})

test.serial('two builds of one builder at once have a workspace each', async (t) => {
  const [a, b] = [nextFence(), nextFence()]
  for (const fence of [a, b]) master.offer(fence, plan([step('pwd; sleep 0.3')], {workspace: 'shared'}))
  await Promise.all([master.ended(a), master.ended(b)])
  t.deepEqual(
    [a, b].map((fence) => master.log(fence).trim().split('/').at(-1)),
    ['shared', 'shared.2'],
  )
})

/** How many processes run exactly this. */
function running(command: string): number {
  return execFileSync('sh', ['-c', 'ps -eo args | grep -cxF "$0" || true', command]).toString().trim() === '0'
    ? 0
    : 1
}
