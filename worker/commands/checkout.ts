// The command that brings the workspace to one revision: a script for git, run under a supervisor on the host.
import type {Checkout} from '../protocol/plan.ts'
import type {Outcome} from '../protocol/results.ts'
import {fill} from '../core/templates.ts'
import {Broken} from '../world/engine.ts'
import {maskText} from '../core/mask.ts'
import {below, solid, stepOf, type Task} from './task.ts'
import {checkoutScript, exits} from './checkout-script.ts'
import {supervised, valueOf} from './supervised.ts'

/** Checks out, and records which revision it got. */
export async function checkoutCommand(command: Checkout, task: Task): Promise<Outcome> {
  const {fill: filling, attempt} = task
  const [url, branch, revision] = [command.url, command.branch, command.revision].map((template) =>
    fill(template, filling),
  )
  if (!url) throw new Broken('the checkout has no URL')
  for (const [what, text] of Object.entries({URL: url, branch, revision}))
    if (text?.startsWith('-') || /[\0\n]/.test(text ?? ''))
      throw new Broken(`the ${what} "${text}" is not one that git is given`)
  if (/[\r\n]/.test(`${task.env['OSTLER_GIT_USER'] ?? ''}${task.env['OSTLER_GIT_PASSWORD'] ?? ''}`))
    throw new Broken(`the user or password for ${url} has more than one line: check the secret`)
  const workspace = task.ground.workspaceHere
  const directory = below(workspace, fill(command.workdir, filling))
  const script = (): string => {
    solid(workspace, directory)
    return checkoutScript({...command, url, branch: branch ?? '', revision: revision ?? '', directory}, task)
  }
  const outcome = await supervised({...task, script, showsValue: false})
  if (outcome.outcome !== 'exited') return outcome
  // A server may repeat what it was given.
  const said = maskText(attempt.mask, valueOf(task), (bytes) => Buffer.from(bytes).toString())
  if (outcome.code === exits.temporary)
    return {outcome: 'temporary', text: said || `${url} could not be reached`}
  if (outcome.code === exits.broken)
    return {outcome: 'broken', text: said || `${url} could not be checked out`}
  if (outcome.code !== 0) return outcome
  const step = stepOf(task.id)
  const at = Date.now()
  attempt.record({entry: 'propertySet', at, step, name: 'gotRevision', value: said})
  attempt.record({entry: 'propertySet', at, step, name: `gotRevision.${command.name}`, value: said})
  return outcome
}
