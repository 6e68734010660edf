import test from 'ava'
import {planStepShape} from '../../../../worker/protocol/plan.ts'
import type {Expansion} from '../../../../config/config.ts'
import {shell} from '../../../../config/kinds/steps/shell.ts'
import {checkKind, problemsOf} from '../check.ts'

const expansion = {sourceStamps: [], source: () => undefined} as unknown as Expansion
const expand = (options: object) =>
  shell.expand(shell.shape.parse({kind: 'shell', ...options}), 'test', expansion)

test('the example of shell loads, and each option is described', (t) => {
  const options = checkKind(t, shell)
  t.notThrows(() => planStepShape.parse(shell.expand(options, 'test', expansion)))
})

test('a command line is a script for the shell, and a list runs as it is', (t) => {
  const script = expand({command: 'make -j2 "$${HOME}" ${props.x}'}).command
  t.like(script, {command: 'spawn', argv: null, script: ['make -j2 "${HOME}" ', {prop: 'x'}]})
  const argv = expand({command: ['make', 'V=${props.v:3:-no}', '']}).command
  t.like(argv, {script: null, argv: [['make'], ['V=', {prop: 'v', take: 3, otherwise: 'no'}], []]})
})

test('a shell step keeps the defaults that a Buildbot user knows', (t) => {
  t.like(expand({command: 'x'}), {
    haltOnFailure: false,
    flunkOnFailure: true,
    warnOnFailure: false,
    alwaysRun: false,
    when: null,
    silenceMs: 1_200_000,
    maxMs: null,
    retry: {times: 0, delayMs: 0, on: []},
    warningPattern: null,
  })
})

test('limits, tries, reports and conditions of a shell step reach the plan', (t) => {
  const step = expand({
    command: 'x',
    timeout: null,
    maxTime: '2h',
    retry: {times: 2, delay: '30s', on: ['temporary']},
    warningPattern: '^warning:',
    tests: {junit: ['a/*.xml', 'b.xml']},
    when: "result == 'success'",
    env: {TOKEN: '${secret.t}'},
    workdir: 'src/${props.part}',
  })
  t.like(step, {
    silenceMs: null,
    maxMs: 7_200_000,
    retry: {times: 2, delayMs: 30_000, on: ['temporary']},
    warningPattern: '^warning:',
    when: "result == 'success'",
    env: {TOKEN: [{secret: 't'}]},
    command: {workdir: ['src/', {prop: 'part'}], junit: [['a/*.xml'], ['b.xml']]},
  })
  t.deepEqual(expand({command: 'x', retry: {times: 1}}).retry, {
    times: 1,
    delayMs: 0,
    on: ['failure', 'timeout', 'temporary', 'exception'],
  })
})

test('a shell step stays below its workspace', (t) => {
  for (const workdir of ['/etc', '../other', 'a/../../b'])
    t.deepEqual(problemsOf(shell, {command: 'x', workdir}), ['expected a directory below the workspace'])
  t.deepEqual(problemsOf(shell, {command: 'x', workdir: 'a..b/c'}), [])
})

test('an empty command is a problem', (t) => {
  t.is(problemsOf(shell, {command: ''}).length, 1)
  t.is(problemsOf(shell, {command: []}).length, 1)
})
