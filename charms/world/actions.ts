// What an operator asks of a unit with `juju run`: one function for each action, answering its results. Afterwards the hook
// reconciles as after any event.
import {announced, credentialLabel, renewal} from '../core/credentials.ts'
import type {Role} from '../core/layout.ts'
import {relationsOf, textOption, type Bag, type Scene} from '../core/scene.ts'
import {act} from './act.ts'
import {look, ostlerOf, type Visit} from './look.ts'
import {OstlerRefused} from './ostler.ts'

/** What was asked cannot be done; the words are the operator's. */
export class ActionRefused extends Error {
  override readonly name = 'ActionRefused'
}

interface Asked {
  readonly visit: Visit
  readonly scene: Scene
  readonly parameters: Readonly<Record<string, unknown>>
  /** A parameter's text; '' when it was not given. */
  readonly text: (name: string) => string
}

type Action = (asked: Asked) => Bag

const ofMaster: Readonly<Record<string, Action>> = {
  'check-config'({scene}) {
    const given = scene.master?.configuration
    if (given?.found === 'problem') throw new ActionRefused(given.problem)
    return {result: given?.found === 'text' ? 'the configuration is good' : 'no configuration is given'}
  },
  // Looking has read the repository; the reconciliation after the action has it taken up.
  reconfig: ({scene}) => ofMaster['check-config']?.({scene} as Asked) ?? {},
  drain: ({visit, scene, text}) => ({
    result: ostlerOf(visit.hands, scene)
      .ask('drain', needed(text('worker'), 'worker'), ...named('--reason', text('reason')))
      .trim(),
  }),
  resume: ({visit, scene, text}) => ({
    result: ostlerOf(visit.hands, scene)
      .ask('resume', needed(text('worker'), 'worker'))
      .trim(),
  }),
  backup({visit, scene, text}) {
    const target = needed(text('path'), 'path')
    return {path: target, result: ostlerOf(visit.hands, scene).ask('backup', target).trim()}
  },
  'force-build': ({visit, scene, text}) => ({
    result: ostlerOf(visit.hands, scene)
      .ask(
        'force',
        needed(text('scheduler'), 'scheduler'),
        ...named('--builder', text('builder')),
        ...named('--branch', text('branch')),
        ...named('--revision', text('revision')),
        ...named('--reason', text('reason')),
      )
      .trim(),
  }),
  promote: ({visit, scene, parameters, text}) => ({
    result: ostlerOf(visit.hands, scene)
      .ask('promote', ...named('', text('rule')), ...(parameters['dry-run'] === false ? [] : ['--dry-run']))
      .trim(),
  }),
  'rotate-worker-credential': rotate,
  'make-token'({visit, scene, text}) {
    const role = text('role') || 'developer'
    return ostlerOf(visit.hands, scene).makeToken('user', needed(text('name'), 'name'), role)
  },
  'show-status': ({visit, scene}) => ({
    workers: ostlerOf(visit.hands, scene).ask('workers').trim(),
    masters: ostlerOf(visit.hands, scene).ask('masters').trim(),
    says: scene.machine.units['buildmaster.service']?.words ?? '',
  }),
}

const ofWorker: Readonly<Record<string, Action>> = {
  drain: ({visit, scene}) => wish(visit, scene, 'drain', 'the worker finishes what it has and gets no more'),
  resume: ({visit, scene}) => wish(visit, scene, '', 'the worker gets builds again'),
  'rebuild-images'({visit, scene, text}) {
    const flavors = (text('flavor') || textOption(scene, 'images'))
      .split(/[\s,]+/)
      .filter((one) => one !== '')
    if (flavors.length === 0) throw new ActionRefused('no flavor is named, and the option images names none')
    for (const flavor of flavors) tool(visit, 'ostler-create-image', '--again', flavor)
    return {result: `made again: ${flavors.join(', ')}`}
  },
  cleanup: ({visit, text}) => ({
    result: tool(visit, 'ostler-cleanup-containers', ...named('--older-than', text('older-than'))),
  }),
  'collect-logs'({visit, text}) {
    const target = needed(text('path'), 'path')
    return {path: target, result: tool(visit, 'ostler-collect-logs', '--output', target)}
  },
}

/** Does what was asked and sets its results. */
export function runAction(visit: Visit, name: string): void {
  const actions: Readonly<Record<Role, Readonly<Record<string, Action>>>> = {
    master: ofMaster,
    worker: ofWorker,
  }
  const action = actions[visit.role][name]
  if (action === undefined) return visit.juju.actionFail(`there is no action ${name}`)
  const parameters = visit.juju.actionParameters()
  const text = (key: string) => textOf(parameters[key])
  try {
    const results = action({visit, scene: look(visit), parameters, text})
    if (Object.keys(results).length > 0) visit.juju.actionSet(results)
  } catch (error) {
    if (!(error instanceof ActionRefused || error instanceof OstlerRefused)) throw error
    visit.juju.actionFail(error.message)
  }
}

/** The names of a charm's actions, in order. */
export const actionsOf = (role: Role): string[] => Object.keys(role === 'master' ? ofMaster : ofWorker).sort()

function rotate({visit, scene, parameters, text}: Asked): Bag {
  if (!scene.isLeader)
    throw new ActionRefused(
      `only the leader hands out credentials: juju run ${scene.app}/leader rotate-worker-credential`,
    )
  const asked = text('unit')
  const claims = announced(scene).all.filter(({unit}) => asked === '' || unit === asked)
  const known = claims.flatMap((claim) => {
    const secret = scene.owned.find(({label}) => label === credentialLabel(claim.unit))
    return secret === undefined ? [] : [{claim, secret}]
  })
  if (known.length === 0)
    throw new ActionRefused(asked === '' ? 'no worker has a credential yet' : `${asked} has no credential`)
  const underWay = known.filter(({claim, secret}) => claim.credential !== secret.content['id'])
  if (underWay.length > 0 && parameters['again'] !== true)
    throw new ActionRefused(
      `${underWay.map(({claim}) => claim.unit).join(', ')}: not taken up since the last time; again=true makes another`,
    )
  // One look for each: what one renewal remembers, the next must see.
  for (const {claim, secret} of known) act(visit, look(visit), renewal(secret, claim.unit, claim.worker))
  return {result: `new credentials for ${known.map(({claim}) => claim.unit).join(', ')}`}
}

function wish(visit: Visit, scene: Scene, wanted: string, words: string): Bag {
  if (relationsOf(scene, 'master').length === 0)
    throw new ActionRefused(`this worker's master is no charm: run "ostler drain" or "ostler resume" there`)
  visit.juju.remember({wish: wanted})
  return {result: words}
}

function tool({hands}: Visit, ...argv: readonly string[]): string {
  const {code, out, err} = hands.run(argv)
  if (code !== 0) throw new ActionRefused(`${argv[0] ?? ''}: ${err.trim() || `exit ${code}`}`)
  return out.trim()
}

function needed(value: string, name: string): string {
  if (value === '') throw new ActionRefused(`the parameter ${name} is missing`)
  return value
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''

const named = (option: string, value: string): string[] =>
  value === '' ? [] : [option, value].filter((each) => each !== '')
