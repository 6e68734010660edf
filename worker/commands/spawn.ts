// The command that runs a program: its script, and what is read from its output afterwards.
import {fill} from '../core/templates.ts'
import type {Outcome} from '../protocol/results.ts'
import type {Spawn} from '../protocol/plan.ts'
import {countTests} from './junit.ts'
import {environment, quote} from './quote.ts'
import {supervised, valueOf} from './supervised.ts'
import {below, stepOf, type Task} from './task.ts'

/** Runs a program and reads what the step wants of it. */
export async function spawnCommand(command: Spawn, task: Task): Promise<Outcome> {
  const outcome = await supervised({
    ...task,
    script: () => script(command, task),
    showsValue: command.capture !== null,
  })
  if (command.capture !== null && outcome.outcome === 'exited' && outcome.code === 0) {
    const value = Buffer.from(task.attempt.mask(Buffer.from(valueOf(task)), true).bytes).toString()
    task.attempt.record({
      entry: 'propertySet',
      at: Date.now(),
      step: stepOf(task.id),
      name: command.capture,
      value,
    })
  }
  if (outcome.outcome === 'exited' && outcome.code === notFound) await task.log.say(missing(command, task))
  if (command.junit.length > 0)
    await countTests(
      command.junit.map((glob) => fill(glob, task.fill)),
      task,
    )
  return outcome
}

/** How a shell, and what starts a program without one, say that there is no such program. */
const notFound = 127

/** What can be done about a program that is not there. */
function missing({argv}: Spawn, {ground, attempt, fill: filling}: Task): string {
  const image = attempt.plan.container?.image
  const place =
    image === undefined || ground.executor === 'host' ? "this worker's host" : `the image "${image}"`
  const what = argv?.[0] ? fill(argv[0], filling) : 'a program that this step calls'
  const advice = /\bgit$/.test(what) ? ', or use the git step, which runs on the host' : ''
  return `exit code 127: ${what} is not installed ${image === undefined ? 'on' : 'in'} ${place}: install it there${advice}`
}

function script({argv, script, workdir, capture}: Spawn, task: Task): string {
  const {fill: filling, ground, id, env} = task
  const directory = fill(workdir, filling)
  const there = quote(below(ground.workspaceInside, directory))
  const words =
    argv !== null
      ? argv.map((word) => fill(word, filling))
      : ['/bin/sh', '-e', '-c', fill(script ?? [''], filling)]
  const {exports, prefix} = environment(env)
  const file = (kind: string): string => quote(`${ground.inside}/${id}.${kind}`)
  return [
    `echo $$ >${file('pid')}`,
    `[ -e ${file('cancel')} ] && exit 143`,
    // Made by whom the step runs as: it shall be theirs, and a link that leads out must not lead the worker.
    `[ -d ${there} ] || mkdir -p ${there}; cd ${there} || exit 126`,
    `${exports}exec ${prefix}${words.map(quote).join(' ')}${capture === null ? '' : ` >${file('value')}`}`,
    '',
  ].join('\n')
}
