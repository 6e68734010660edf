// The command that runs a program: its script, and what is read from its output afterwards.
import {mkdirSync} from 'node:fs'
import {posix} from 'node:path'
import {fill, type Fill} from '../core/templates.ts'
import type {Outcome} from '../protocol/results.ts'
import type {Spawn} from '../protocol/plan.ts'
import {Broken} from '../world/engine.ts'
import {countTests} from './junit.ts'
import {environment, quote} from './quote.ts'
import {supervised, valueOf, type Run} from './supervised.ts'

export interface Task extends Omit<Run, 'script' | 'showsValue'> {
  readonly fill: Fill
  readonly env: Readonly<Record<string, string>>
}

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
  if (command.junit.length > 0)
    await countTests(
      command.junit.map((glob) => fill(glob, task.fill)),
      task,
    )
  return outcome
}

export const stepOf = (id: string): number => Number(id.split('.')[0])

/** A directory below the workspace, as the plan names it. Throws Broken for one that is not below. */
export function below(workspace: string, directory: string): string {
  const path = posix.normalize(posix.join(workspace, directory))
  if (path !== workspace && !path.startsWith(`${workspace}/`))
    throw new Broken(`the directory "${directory}" is not below the workspace`)
  return path.replace(/\/$/, '')
}

function script({argv, script, workdir, capture}: Spawn, task: Task): string {
  const {fill: filling, ground, id, env} = task
  const directory = fill(workdir, filling)
  mkdirSync(below(ground.workspaceHere, directory), {recursive: true})
  const words =
    argv !== null
      ? argv.map((word) => fill(word, filling))
      : ['/bin/sh', '-e', '-c', fill(script ?? [''], filling)]
  const {exports, prefix} = environment(env)
  const file = (kind: string): string => quote(`${ground.inside}/${id}.${kind}`)
  return [
    `echo $$ >${file('pid')}`,
    `[ -e ${file('cancel')} ] && exit 143`,
    `cd ${quote(below(ground.workspaceInside, directory))} || exit 126`,
    `${exports}exec ${prefix}${words.map(quote).join(' ')}${capture === null ? '' : ` >${file('value')}`}`,
    '',
  ].join('\n')
}
