// A master of the simulation: the real stages, sessions, bells and workers' door, on the model of the world.
import {builds} from '../../master/flow/builds.ts'
import {claims} from '../../master/flow/claims.ts'
import {flow} from '../../master/flow/river.ts'
import {Sessions} from '../../master/flow/sessions.ts'
import {workerSocket} from '../../master/http/worker-socket.ts'
import {openBells, type Bells, type BellName} from '../../master/world/bells.ts'
import type {Say} from '../../master/world/say.ts'
import {Secrets} from '../../master/world/secrets.ts'
import type {Ledger} from '../../master/world/ledger.ts'
import type {World} from '../../master/world/world.ts'
import type {Config} from '../../config/config.ts'
import type {Clockwork, Node} from './clockwork.ts'
import {modelLogs, type LogShelf} from './logs.ts'
import type {Network, VirtualSocket} from './network.ts'
import {ModelStore, type Database} from './store.ts'

export interface MasterParts {
  readonly clock: Clockwork
  readonly database: Database
  readonly network: Network
  readonly shelf: LogShelf
  readonly ledger: Ledger
  readonly graceMs: number
  /** The configuration in force at this master. */
  readonly config: () => Config
  /** Hears what only a bug says. */
  readonly complain: (text: string) => void
}

type Handler = (socket: VirtualSocket, request: {caller: object}) => void

export class VirtualMaster {
  readonly node: Node
  readonly address: string
  private readonly parts: MasterParts
  private bells: Bells | null = null
  private store: ModelStore | null = null

  constructor(node: Node, parts: MasterParts) {
    this.node = node
    this.address = node.name
    this.parts = parts
    node.onCrash = () => {
      this.store?.abandon()
      this.parts.network.gone(node, false)
      this.parts.network.listeners.delete(this.address)
      this.bells = null
    }
  }

  /** Begins a life of it. */
  start(): void {
    const {clock, network} = this.parts
    this.node.isAlive = true
    clock.say(`START ${this.node.name}`)
    clock.later(0, this.node, () => {
      void this.assemble().then((door) => {
        network.listeners.set(this.address, {
          node: this.node,
          canTell: () => !this.parts.database.isAway,
          door: (socket, name) => door(socket, {caller: {kind: 'worker', name, token: '1'}}),
        })
      })
    })
  }

  /** As somebody who did something through this master rings after it. */
  ring(bell: BellName): void {
    const {bells} = this
    if (bells && this.node.isAlive) this.parts.clock.later(0, this.node, () => bells.ring(bell))
  }

  private async assemble(): Promise<Handler> {
    const {clock, database, shelf, ledger, graceMs} = this.parts
    const store = new ModelStore(database, this.node)
    this.store = store
    const master = `${this.node.name}.${String(this.node.life)}`
    const bells = await openBells(store, master)
    this.bells = bells
    const world: World = {
      master,
      store,
      ledger,
      bells,
      logs: modelLogs(shelf, clock, this.node, this.node.random),
      artifacts: null as never,
      say: this.say(),
      hindrance: () => null,
      settings: () => ({config: this.parts.config(), version: '1', secrets: new Secrets(null, {})}),
    }
    const sessions = new Sessions(world)
    flow([claims(world, sessions), builds(world, sessions, graceMs)], bells, world.say)
    let handler: Handler = () => undefined
    const scope = {
      addHook: () => undefined,
      get: (_path: string, _options: object, given: Handler) => (handler = given),
    }
    // The door takes of its scope and needs only what is given here.
    workerSocket(scope as never, {...world, desk: sessions} as never)
    return handler
  }

  private say(): Say {
    const {clock, complain} = this.parts
    const line = (level: string) => (facts: unknown, text?: string) => {
      const {err, ...rest} = (typeof facts === 'object' ? facts : {}) as {err?: Error}
      const told = `${level} ${text ?? String(facts)} ${JSON.stringify(rest)} ${err?.message ?? ''}`
      clock.say(told)
      if (/does not match what was stored|cannot be recorded/.test(told)) complain(told)
      if (err && /TypeError|RangeError|ReferenceError/.test(err.name)) complain(`${told} ${err.stack ?? ''}`)
    }
    return {debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error')}
  }
}
