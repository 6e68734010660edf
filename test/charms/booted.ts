// A model whose units are booted machines: every hook is run there by the charm's real `dispatch`, on the real packages, with only
// Juju imitated.
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {build} from 'esbuild'
import type {Role} from '../../charms/core/layout.ts'
import {type Machine} from '../support/machine.ts'
import {repository} from '../support/sources.ts'
import type {Done, Job} from './agent.ts'
import {Controller, eligibleIn, environmentOf} from './controller.ts'
import * as juju from './model.ts'
import type {Context} from './tools.ts'

type Owner = Pick<ExecutionContext, 'teardown' | 'log'>

export class BootedModel {
  /** Holds the model, and plays what is no charm of ours. */
  readonly controller = new Controller()
  readonly #machines = new Map<string, Machine>()
  readonly #t: Owner
  readonly #folder: string
  /** Hooks of each charm that were run twice already. */
  readonly #doubled = new Set<string>()

  private constructor(t: Owner, folder: string) {
    this.#t = t
    this.#folder = folder
  }

  static async open(t: Owner): Promise<BootedModel> {
    const folder = mkdtempSync(join(tmpdir(), 'ostler-juju-'))
    t.teardown(() => rmSync(folder, {recursive: true, force: true}))
    await build({
      entryPoints: [join(repository, 'dist', 'test', 'charms', 'agent.js')],
      outfile: join(folder, 'agent.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    })
    return new BootedModel(t, folder)
  }

  machine(unit: string): Machine {
    const machine = this.#machines.get(unit)
    if (machine === undefined) throw new Error(`no machine of ${unit}`)
    return machine
  }

  /** A unit on this machine, with its charm unpacked and its resource there. */
  async addUnit(app: string, machine: Machine, charms: string, packages: string): Promise<string> {
    const role = this.controller.model.applications[app]?.charm as Role
    const unit = juju.addUnit(this.controller.model, app)
    this.controller.model.units[unit]!.address = '127.0.0.1'
    this.#machines.set(unit, machine)
    await machine.copyIn(join(this.#folder, 'agent.mjs'), '/root/agent.mjs')
    await this.bringCharm(unit, join(charms, role))
    await this.bringPackages(unit, packages)
    return unit
  }

  /** Lays a charm where Juju would; an upgrade replaces it. */
  async bringCharm(unit: string, folder: string): Promise<void> {
    await this.machine(unit).must('rm -rf /root/charm')
    await this.machine(unit).copyIn(folder, '/root/charm')
  }

  async bringPackages(unit: string, tar: string): Promise<void> {
    await this.machine(unit).must('rm -f /root/packages.tar')
    await this.machine(unit).copyIn(tar, '/root/packages.tar')
    this.controller.model.applications[juju.appOf(unit)]!.resource = '/root/packages.tar'
  }

  /** Runs hooks until none waits. Each kind is run twice, and the second time nothing may change: answers what was not so. */
  async settle(): Promise<string[]> {
    const restless: string[] = []
    for (;;) {
      const {model} = this.controller
      const waiting = Object.entries(model.units).find(([, {queue}]) => queue.length > 0)
      if (waiting === undefined) return restless
      const [unit, {queue, hasStarted}] = waiting
      const [happening] = eligibleIn(queue, hasStarted)
      restless.push(...(await this.run(unit, happening!)))
    }
  }

  /** One hook, as Juju runs it. */
  async run(unit: string, happening: juju.Happening): Promise<string[]> {
    const {model} = this.controller
    if (!this.#machines.has(unit)) {
      this.controller.run(unit, happening)
      return []
    }
    const {queue} = model.units[unit]!
    const at = queue.findIndex((one) => JSON.stringify(one) === JSON.stringify(happening))
    if (at >= 0) queue.splice(at, 1)
    juju.begin(model, unit, happening)
    await this.#attempt(unit, happening)
    const kind = `${juju.appOf(unit)} ${happening.hook}`
    const {calls} = this.#doubled.has(kind) ? {calls: []} : await this.#attempt(unit, happening)
    this.#doubled.add(kind)
    juju.end(this.controller.model, unit, happening)
    const told = calls.filter((call) =>
      /^(relation-set|secret-(add|set|grant|remove)|open-port|close-port|state-set)/.test(call),
    )
    return told.map((call) => `${unit} ${happening.hook} again: ${call}`)
  }

  async act(
    unit: string,
    name: string,
    parameters: Record<string, unknown> = {},
  ): Promise<Record<string, string> | string> {
    const action = {name, parameters, results: {}, failure: null}
    const {context} = await this.#attempt(unit, {hook: 'action'}, action)
    return context.action?.failure ?? context.action?.results ?? {}
  }

  async #attempt(unit: string, happening: juju.Happening, action: Context['action'] = null): Promise<Done> {
    const before = this.controller.model
    const context: Context = {model: structuredClone(before), unit, happening, action}
    const job: Job = {context, charm: '/root/charm', environment: environmentOf(context)}
    const machine = this.machine(unit)
    const began = Date.now()
    const text = Buffer.from(JSON.stringify(job)).toString('base64')
    const said = await machine.must(
      `echo ${text} | base64 -d >/root/job && node /root/agent.mjs /root/job && cat /root/job.done`,
      {seconds: 180},
    )
    const done = JSON.parse(said) as Done
    done.context.model.units[unit]!.log.length = 0
    this.#t.log(
      `${unit} ${action?.name ?? happening.hook}: ${done.calls.length} calls, ${Date.now() - began} ms`,
    )
    if (done.code !== 0) throw new Error(`${unit} ${happening.hook} ended with ${done.code}:\n${done.output}`)
    juju.tellChanges(before, done.context.model)
    this.controller.model = done.context.model
    return done
  }
}
